#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/mutate makes of code.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."
exec python3 - <<'END'
import importlib.machinery
import importlib.util
import sys
import tempfile

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('mutate', 'scripts/mutate')
mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader('mutate', loader))
loader.exec_module(mutate)

SOURCE = r'''
/* if (0 < 1) in a comment; */
#include <linux/slab.h>
#define LIMIT	(4 * 1024)	/* of 5 */
#if 7 < 8
static const struct row rows[] = {
	{ .name = "one", .run = work, .max = 3 },
	{ .name = "two", .run = rest, .max = LIMIT },
};
#endif

static int work(struct thing *thing, int nr)
{
	struct thing *other = thing;
	char text[8];
	int err = 0;

	pr_info("%d is more than 10\n", nr + 1);
	if (nr < LIMIT && thing)
		err = put(thing, nr,
			  "2 > 1");
	else
		goto out;
	list_for_each_entry(other, &thing->list, list)
		other->nr++;
	for (nr = 0; nr >= 0; nr--) {
		if (!strcmp(text, "no") || strcmp(text, "yes") < min(nr, err))
			continue;
		return (struct thing){ .nr = nr };
	}
	do {
		drop(thing);
	} while (--nr);
out:
	put(NULL, nr, "");
out_last:
	return err;
}
'''
with tempfile.NamedTemporaryFile('w', suffix='.c') as file:
	file.write(SOURCE)
	file.flush()
	mutants, units = mutate.all_mutants([file.name])
made = {(m.unit.name, m.operator, m.detail) for m in mutants}
by = {(m.operator, m.detail): m for m in mutants}
number = bad = 0


def expect(name, holds):
	global number, bad
	number += 1
	bad |= not holds
	print(f'{"ok" if holds else "not ok"} {number} mutate.{name}')


def result(operator, detail):
	mutant = by[operator, detail]
	return SOURCE[:mutant.start] + mutant.new + SOURCE[mutant.end:]


def of(operator):
	return sorted(m.detail for m in mutants if m.operator == operator)


print('1..14')
expect('units', [(u.kind, u.name) for u in units] ==
       [('macro', 'LIMIT'), ('table', 'rows'), ('function', 'work')])
# 4 and 1024 of LIMIT, 3 of the table, 0 three times, of which nothing is less, and the
# length of an array, which can be longer.
expect('constants', of('constant') == sorted(
	['4 + 1', '4 - 1', '1024 + 1', '1024 - 1', '3 + 1', '3 - 1', '0 + 1', '0 + 1',
	 '0 + 1', '8 - 1']))
expect('comparisons', of('comparison') == ['< to <=', '< to <=', '>= to >'])
expect('conditions', of('negate') == sorted(
	['nr < LIMIT && thing', 'nr >= 0', '--nr',
	 '!strcmp(text, "no") || strcmp(text, "yes") < min(nr, err)']))
expect('statements', of('omit') == sorted(
	['err = put(thing, nr, "2 > 1");', 'goto out;', 'other->nr++;', 'continue;',
	 'drop(thing);', 'put(NULL, nr, "");']))
# Of strcmp() after "!" and of min() either may be the first.
expect('arguments', of('exchange') == sorted(
	['strcmp 1, 2', 'put 1, 2', 'put 2, 3', 'put 1, 2', 'put 2, 3',
	 'list_for_each_entry 1, 2', 'list_for_each_entry 2, 3']))
expect('labels', of('goto') == ['out to out_last'])
expect('nothing_said', not any('pr_info' in m.line for m in mutants))
expect('negated', 'if (!(nr < LIMIT && thing))' in
       result('negate', 'nr < LIMIT && thing'))
expect('lines_stay', all(
	(SOURCE[:m.start] + m.new + SOURCE[m.end:]).count('\n') == SOURCE.count('\n')
	for m in mutants))

# A sample does not depend on what else there is.
half = mutants[::2]
expect('sample_stays', [m for m in mutate.order(mutants, '1') if m in half] ==
       mutate.order(half, '1'))
expect('seeds_differ', mutate.order(mutants, '1') != mutate.order(mutants, '2'))

# Tests are those that run the function, or the function of the row, quickest first.
found = mutate.Map()
found.functions = {f'{units[0].file} work': ['a/slow', 'a/quick'],
		   f'{units[0].file} rest': ['b/rest']}
found.seconds = {'a/slow': 9, 'a/quick': 1, 'b/rest': 2, 'unload.sh': 3}
tests = mutate.Tests(found, units)
expect('tests', tests.of_mutant(by['negate', '--nr']) == ['a/quick', 'a/slow'] and
       tests.of_mutant(by['constant', '3 + 1']) == ['a/quick', 'a/slow'] and
       tests.of_mutant(by['constant', '1024 + 1']) == ['a/quick', 'b/rest', 'a/slow'])

# Each reason is of a fault that is still made.
every = {m.where() for m in mutate.all_mutants(mutate.sources())[0]}
expect('reasons', every.issuperset(mutate.equivalents()) and
       len(mutate.equivalents()) == mutate.read(mutate.EQUIVALENT).count('\n\n'))
sys.exit(bad)
END

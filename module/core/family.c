// SPDX-License-Identifier: GPL-2.0
/* What an experiment may ask of the command it runs for. */
#include <linux/kernel.h>

#include "core/budget.h"
#include "core/context.h"
#include "core/family.h"

const char *const lab_no_yes[] = { "no", "yes", NULL };

/**
 * lab_refuse() - say why a command cannot be carried out
 * @run:	the command
 * @err:	negative errno
 * @fmt:	printf format of the reason, in plain words
 *
 * Context: Any.
 * Return: @err, so that a caller can return it in the same line.
 */
int lab_refuse(struct lab_run *run, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(run->reason, sizeof(run->reason), fmt, ap);
	va_end(ap);
	return err;
}

/**
 * lab_charge() - charge memory that an experiment is about to allocate
 * @run:	the command
 * @bytes:	how much
 *
 * The runner gives the charge back when the experiment has returned.  A command
 * that says over_budget=1, where its experiment takes that, is held against the
 * floor alone.
 *
 * Context: Process context.
 * Return: 0, or -EDQUOT with the reason filled in.
 */
int lab_charge(struct lab_run *run, u64 bytes)
{
	int err;

	if (lab_number(run, "over_budget"))
		return budget_check_floor(bytes, run->reason);
	err = budget_charge(bytes, run->reason);
	if (!err)
		run->charged_bytes += bytes;
	return err;
}

/**
 * lab_source_charge() - charge what a source takes itself, as a reserve does
 * @source:	the source, as it is opened
 * @run:	the command that opens it
 * @bytes:	how much
 *
 * Context: Process context.
 * Return: 0, and the source owes lab_source_uncharge(); or -EDQUOT with the reason
 * filled in.
 */
int lab_source_charge(struct lab_source *source, struct lab_run *run, u64 bytes)
{
	int err = budget_charge(bytes, run->reason);

	if (!err)
		source->own_bytes += bytes;
	return err;
}

/**
 * lab_source_uncharge() - give back all that lab_source_charge() was granted
 * @source:	the source, as it is closed
 *
 * Context: Any.
 */
void lab_source_uncharge(struct lab_source *source)
{
	budget_uncharge(source->own_bytes);
	source->own_bytes = 0;
}

/**
 * lab_hold_until() - keep things as they are for as long as the command says
 * @run:	a command with LAB_HOLD_PARAM among its parameters
 * @over:	as for context_hold_until()
 *
 * Meanwhile the record as it is so far can be read, so that what it says can be
 * compared with what else is to be seen.
 *
 * Context: Process context, sleeps.
 * Return: 0, or -EINTR with the reason where a fatal signal ended it.
 */
int lab_hold_until(struct lab_run *run, const bool *over)
{
	unsigned int ms = lab_number(run, "hold_ms");

	if (!ms)
		return 0;
	run->publish(run);
	return context_hold_until(ms, over, run->reason);
}

/**
 * lab_hold() - the same, where nothing ends it before the time
 * @run:	a command with LAB_HOLD_PARAM among its parameters
 *
 * Context: Process context, sleeps.
 * Return: 0, or -EINTR with the reason where a fatal signal ended it.
 */
int lab_hold(struct lab_run *run)
{
	return lab_hold_until(run, NULL);
}

/**
 * lab_number() - value of a number, index of a choice
 * @run:	the command
 * @name:	a parameter of its experiment
 *
 * Context: Any.
 * Return: the value, in the unit that the table names.
 */
u64 lab_number(const struct lab_run *run, const char *name)
{
	return args_number(&run->args, name);
}

/**
 * lab_word() - value of a name
 * @run:	the command
 * @name:	a parameter of its experiment
 *
 * Context: Any.
 * Return: the word; "" where the command did not give it.
 */
const char *lab_word(const struct lab_run *run, const char *name)
{
	return args_word(&run->args, name);
}

/**
 * lab_text() - value of a text
 * @run:	the command
 * @name:	a parameter of its experiment
 *
 * Context: Any.
 * Return: the text, which goes with the command; NULL where it did not give it.
 */
const char *lab_text(const struct lab_run *run, const char *name)
{
	return args_text(&run->args, name);
}

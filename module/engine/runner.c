// SPDX-License-Identifier: GPL-2.0
/*
 * The runner: every command passes through runner_run(), whichever file it was
 * written to.  What it guarantees: the command is checked whole before any of
 * it runs, experiments run one at a time, what one charged is given back when it
 * has ended, and there is a record unless there is no memory for one.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "core/budget.h"
#include "core/cgroup.h"
#include "core/context.h"
#include "core/family.h"
#include "core/ledger.h"
#include "engine/registry.h"
#include "engine/runner.h"

/**
 * struct runner_slot - what is remembered of a family
 * @nr_runs:	commands that ran or were refused
 * @nr_ok:	of these, those that succeeded
 * @nr_unsupported: those that this kernel or machine cannot do
 * @nr_failed:	all others
 * @nr_explained: of those that ran, those that the ledger left no page of
 * @nr_unexplained: and those that it left some of
 * @last:	text of the last record; owner: the slot
 * @last_len:	its length in bytes
 */
struct runner_slot {
	u64 nr_runs;
	u64 nr_ok;
	u64 nr_unsupported;
	u64 nr_failed;
	u64 nr_explained;
	u64 nr_unexplained;
	char *last;
	size_t last_len;
};

/* Experiments run one at a time, or each would see the other's allocations. */
static struct context_gate experiment_gate = CONTEXT_GATE_INIT(experiment_gate);

static DEFINE_MUTEX(slots_lock);
/* The first is for all families together. */
static struct runner_slot slots[LAB_FAMILIES_MAX + 1];	/* slots_lock */
static atomic64_t last_run_id = ATOMIC64_INIT(0);

static struct runner_slot *slot_of(const struct lab_family *family)
{
	int i;

	for (i = 0; family && lab_families[i]; i++)
		if (lab_families[i] == family)
			return &slots[i + 1];
	return &slots[0];
}

/* A command being worked on. */
struct lab_job {
	u64 id;
	struct lab_run run;
	struct lab_command cmd;
	const struct lab_family *family;
	const struct lab_experiment *experiment;
	u64 duration_ns;
	bool ran;
	s64 unexplained_pages;
	struct lab_cgroup_limits limits;
};

/* Finds family and experiment, and binds the arguments. */
static int parse(struct lab_job *job, const struct lab_call *call,
		 const char *text, size_t len)
{
	const struct lab_param *more = NULL;
	struct lab_run *run = &job->run;
	const char *verb = call->verb;
	int err;

	job->family = call->family;
	if (verb)	/* known even where the text is refused */
		job->experiment = registry_experiment(job->family, verb);

	err = command_split(&job->cmd, text, len, !verb, run->reason);
	if (err)
		return err;
	if (!verb)
		verb = job->cmd.verb;
	if (!job->family) {
		const char *dot = strchr(verb, '.');

		if (dot)
			job->family = registry_family(verb, dot - verb);
		if (!job->family)
			return lab_refuse(run, -EINVAL,
					  "'%.31s' does not begin with a family and a dot",
					  verb);
		verb = dot + 1;
	}
	job->experiment = registry_experiment(job->family, verb);
	if (!job->experiment)
		return lab_refuse(run, -EINVAL, "%s has nothing called '%.31s'",
				  job->family->name, verb);
	if (call->name) {
		err = command_preset(&job->cmd, "name", call->name,
				     run->reason);
		if (err)
			return err;
	}
	if (job->experiment->more_params) {
		more = job->experiment->more_params(&job->cmd, run->reason);
		if (IS_ERR(more))
			return PTR_ERR(more);
	}
	return command_bind(&job->cmd, job->experiment->params, more,
			    &run->args, run->reason);
}

/* Runs what parse() found, between two readings of the ledger. */
static int carry_out(struct lab_job *job)
{
	const struct lab_experiment *experiment = job->experiment;
	struct lab_run *run = &job->run;
	struct lab_ledger before, after;
	struct context_stops stops = {};
	u64 start;
	int err;

	if (!experiment->keeps && context_gate_take(&experiment_gate))
		return lab_refuse(run, -EINTR, "cancelled by a signal");

	if (!experiment->keeps)
		context_stops_begin();
	ledger_read(&before);
	start = ktime_get_ns();
	err = experiment->run(run);
	job->duration_ns = ktime_get_ns() - start;
	ledger_read(&after);

	budget_uncharge(run->charged_bytes);
	if (!experiment->keeps) {
		stops = context_stops_read();
		context_gate_leave(&experiment_gate);
	}

	job->ran = true;
	job->unexplained_pages = ledger_record(&run->record, &before, &after,
					       run->kept_pages);
	if (stops.nr) {
		record_number(&run->record, "nr_stops", stops.nr);
		record_number(&run->record, "stopped_max_ns", stops.max_ns);
	}
	return err;
}

/* What a command can end with; README.md says what each of them means. */
static const int documented_errnos[] = {
	EINVAL, ERANGE, EDQUOT, EBUSY, EOPNOTSUPP, EPERM, EINTR, ENOMEM, ENODEV,
};

/*
 * Whatever else a call of the kernel ended with, and a family handed on, stands for
 * something that it ran out of.
 */
static int documented(struct lab_run *run, int err)
{
	char reason[LAB_REASON_SIZE];
	int i;

	for (i = 0; i < ARRAY_SIZE(documented_errnos); i++)
		if (!err || err == -documented_errnos[i])
			return err;
	memcpy(reason, run->reason, sizeof(reason));
	return lab_refuse(run, -ENOMEM, "the kernel refused with errno %d%s%s",
			  -err, reason[0] ? ": " : "", reason);
}

static const char *status_word(int err)
{
	if (!err)
		return "ok";
	return err == -EOPNOTSUPP ? "unsupported" : "failed";
}

/* What the experiment found so far, with the head that every record has. */
static char *print_job(struct lab_job *job, const char *status, int err,
		       size_t *len)
{
	struct lab_record head = {};
	char *text;

	record_number(&head, "run_id", job->id);
	if (job->experiment)
		record_text(&head, "experiment", "%s.%s", job->family->name,
			    job->experiment->name);
	else
		record_text(&head, "experiment", "unknown");
	record_text(&head, "status", "%s", status);
	record_number(&head, "errno", -err);
	record_number(&head, "duration_ns", job->duration_ns);
	if (err)
		record_text(&head, "reason", "%s", job->run.reason);
	text = record_print(&head, &job->run.record, len);
	record_free(&head);
	return text;
}

static char *copy_text(const char *text, size_t len)
{
	char *copy = kvmalloc(len + 1, GFP_KERNEL);

	if (copy)
		memcpy(copy, text, len + 1);
	return copy;
}

static void set_last(struct runner_slot *slot, const char *text, size_t len)
{
	char *copy = copy_text(text, len);

	if (!copy)
		return;
	mutex_lock(&slots_lock);
	swap(slot->last, copy);
	slot->last_len = len;
	mutex_unlock(&slots_lock);
	kvfree(copy);
}

/* Shows the record of a command that has not ended yet. */
static void publish_running(struct lab_run *run)
{
	struct lab_job *job = container_of(run, struct lab_job, run);
	size_t len;
	char *text = print_job(job, "running", 0, &len);

	if (IS_ERR(text))
		return;
	set_last(&slots[0], text, len);
	set_last(slot_of(job->family), text, len);
	kvfree(text);
}

/* @job: NULL where there was no memory for one */
static void count_run(struct runner_slot *slot, const struct lab_job *job,
		      int err)
{
	mutex_lock(&slots_lock);
	slot->nr_runs++;
	if (!err)
		slot->nr_ok++;
	else if (err == -EOPNOTSUPP)
		slot->nr_unsupported++;
	else
		slot->nr_failed++;
	if (job && job->ran && job->unexplained_pages)
		slot->nr_unexplained++;
	else if (job && job->ran)
		slot->nr_explained++;
	mutex_unlock(&slots_lock);
}

/**
 * runner_run() - carry out one command
 * @call:	what is known of it already
 * @text:	what was written; need not end in NUL
 * @len:	its length in bytes; @text is not read where this exceeds
 *		LAB_COMMAND_MAX
 * @result:	set to the record as text, to be freed with kvfree(); there is
 *		one also where the command was refused or failed; NULL only
 *		where memory for it is short
 * @result_len:	set to its length in bytes
 *
 * Context: Process context, may sleep; waits, killably, for an experiment that
 * is at work.
 * Return: 0, or one of documented_errnos[].
 */
int runner_run(const struct lab_call *call, const char *text, size_t len,
	       char **result, size_t *result_len)
{
	struct lab_job *job;
	int err;

	*result = NULL;
	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job) {
		count_run(&slots[0], NULL, -ENOMEM);
		if (call->family)
			count_run(slot_of(call->family), NULL, -ENOMEM);
		return -ENOMEM;
	}

	job->id = atomic64_inc_return(&last_run_id);
	job->run.publish = publish_running;
	cgroup_read_limits(&job->limits);
	err = parse(job, call, text, len);
	if (!err)
		err = carry_out(job);
	/* A command that keeps memory has succeeded, with or without a record. */
	if (!err && !job->experiment->keeps)
		err = job->run.record.error;
	err = documented(&job->run, err);
	if (err && !job->run.reason[0])
		lab_refuse(&job->run, err, "the kernel refused memory");
	if (err == -ENOMEM)
		cgroup_name_limit(&job->limits, job->run.reason);
	if (err)
		pr_debug("%s.%s: %s\n",
			 job->experiment ? job->family->name : "unknown",
			 job->experiment ? job->experiment->name : "command",
			 job->run.reason);

	*result = print_job(job, status_word(err), err, result_len);
	if (IS_ERR(*result))
		*result = NULL;
	count_run(&slots[0], job, err);
	if (*result)
		set_last(&slots[0], *result, *result_len);
	if (job->family) {
		count_run(slot_of(job->family), job, err);
		if (*result)
			set_last(slot_of(job->family), *result, *result_len);
	}
	record_free(&job->run.record);
	kfree(job);
	return err;
}

/**
 * runner_last() - the last record
 * @family:	of which family; NULL: of any
 * @len:	set to its length in bytes
 *
 * Context: Process context, may sleep.
 * Return: the text, to be freed with kvfree(), empty where there was no command
 * yet; NULL where memory is short.
 */
char *runner_last(const struct lab_family *family, size_t *len)
{
	struct runner_slot *slot = slot_of(family);
	char *copy;

	mutex_lock(&slots_lock);
	*len = slot->last ? slot->last_len : 0;
	copy = copy_text(slot->last ?: "", *len);
	mutex_unlock(&slots_lock);
	return copy;
}

/**
 * runner_show_stats() - add a family's running counts to a record
 * @record:	the record
 * @family:	a &struct lab_family; NULL: all together
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int runner_show_stats(struct lab_record *record, void *family)
{
	struct runner_slot slot;

	mutex_lock(&slots_lock);
	slot = *slot_of(family);
	mutex_unlock(&slots_lock);
	record_number(record, "nr_runs", slot.nr_runs);
	record_number(record, "nr_ok", slot.nr_ok);
	record_number(record, "nr_unsupported", slot.nr_unsupported);
	record_number(record, "nr_failed", slot.nr_failed);
	record_number(record, "nr_explained", slot.nr_explained);
	record_number(record, "nr_unexplained", slot.nr_unexplained);
	return 0;
}

static void show_param(struct lab_record *record, const struct lab_param *param)
{
	char values[96];
	size_t len = 0, i;

	if (param->type == LAB_WORD) {
		scnprintf(values, sizeof(values), "NAME");
	} else if (param->type == LAB_TEXT) {
		scnprintf(values, sizeof(values), "TEXT");
	} else if (param->type == LAB_CHOICE) {
		for (i = 0; param->choices[i]; i++)
			len += scnprintf(values + len, sizeof(values) - len,
					 "%s%s", i ? "|" : "",
					 param->choices[i]);
	} else {
		scnprintf(values, sizeof(values), "%llu..%llu", param->min,
			  param->max);
	}
	if (param->required)
		record_text(record, "", "    %s=%s  %s", param->name, values,
			    param->help);
	else if (param->type == LAB_CHOICE)
		record_text(record, "", "    %s=%s  %s [%s]", param->name,
			    values, param->help, param->choices[param->def]);
	else if (param->type != LAB_NUMBER)
		record_text(record, "", "    %s=%s  %s []", param->name, values,
			    param->help);
	else
		record_text(record, "", "    %s=%s  %s [%llu]", param->name,
			    values, param->help, param->def);
}

static void show_params(struct lab_record *record,
			const struct lab_param *param)
{
	for (; param && param->name; param++)
		show_param(record, param);
}

static void show_allocators(struct lab_record *record,
			    const struct lab_allocator *const *allocator)
{
	for (; allocator && *allocator; allocator++) {
		record_text(record, "", "  allocator=%s  %s",
			    (*allocator)->name, (*allocator)->help);
		show_params(record, (*allocator)->params);
	}
}

/* @prefix: what stands before the names, as where a family and a dot must be typed */
static void show_help(struct lab_record *record, const struct lab_family *shown,
		      const char *prefix, const char *dot)
{
	const struct lab_family *const *family;
	const struct lab_experiment *e;
	char name[2 * LAB_WORD_MAX];

	for (e = shown->experiments; e->name; e++) {
		snprintf(name, sizeof(name), "%s%s%s", prefix, dot, e->name);
		record_text(record, "", "%-12s %s", name, e->help);
		show_params(record, e->params);
		if (!e->more_params)
			continue;
		for (family = lab_families; *family; family++)
			show_allocators(record, (*family)->allocators);
	}
}

/**
 * runner_show_help() - add what a family can do to a record
 * @record:	the record
 * @family:	a &struct lab_family
 *
 * Each experiment with its sentence, then each of its parameters with its
 * range, its meaning and, in brackets, its default.
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int runner_show_help(struct lab_record *record, void *family)
{
	show_help(record, family, "", "");
	return 0;
}

/**
 * runner_show_all_help() - add what all families can do to a record
 * @record:	the record
 * @unused:	nothing
 *
 * As runner_show_help(), with the name of the family before that of the experiment.
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int runner_show_all_help(struct lab_record *record, void *unused)
{
	const struct lab_family *const *family;

	for (family = lab_families; *family; family++)
		show_help(record, *family, (*family)->name, ".");
	return 0;
}

/**
 * runner_show_experiments() - add a table of all that can be run to a record
 * @record:	the record
 * @unused:	nothing
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int runner_show_experiments(struct lab_record *record, void *unused)
{
	const struct lab_family *const *family;
	const struct lab_experiment *e;
	char name[2 * LAB_WORD_MAX];

	record_text(record, "", "# %-18s %s", "experiment", "shows");
	for (family = lab_families; *family; family++) {
		for (e = (*family)->experiments; e->name; e++) {
			snprintf(name, sizeof(name), "%s.%s", (*family)->name,
				 e->name);
			record_text(record, "", "%-20s %s", name, e->help);
		}
	}
	return 0;
}

/**
 * runner_exit() - forget all records
 *
 * Context: Module unload, when no command can run any more.
 */
void runner_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(slots); i++)
		kvfree(slots[i].last);
}

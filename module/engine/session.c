// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/record.h"
#include "engine/runner.h"
#include "engine/session.h"

/**
 * session_open() - begin
 *
 * Context: Process context, may sleep.
 * Return: a session, or NULL where memory is short.
 */
struct lab_session *session_open(void)
{
	struct lab_session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (session)
		context_gate_init(&session->gate);
	return session;
}

/**
 * session_close() - end
 * @session:	a session or NULL
 *
 * Context: Process context, may sleep.
 */
void session_close(struct lab_session *session)
{
	if (!session)
		return;
	kvfree(session->text);
	kfree(session);
}

static void replace_text(struct lab_session *session, char *text, size_t len,
			 bool own)
{
	kvfree(session->text);
	session->text = text;
	session->len = len;
	session->own = own;
	session->fresh = own;
}

/**
 * session_run() - carry out the command in the session's own room
 * @session:	the session; @session->command holds the text
 * @call:	what is known of the command already
 * @len:	length of the text in bytes; one that does not fit is refused
 *		for its length
 *
 * Its record is the session's text from now on.
 *
 * Context: Process context, may sleep; the caller has taken @session->gate.
 * Return: as runner_run().
 */
int session_run(struct lab_session *session, const struct lab_call *call,
		size_t len)
{
	size_t text_len;
	char *text;
	int err;

	err = runner_run(call, session->command, len, &text, &text_len);
	/* Without a record there is nothing to read, least of all an older one. */
	replace_text(session, text, text ? text_len : 0, true);
	return err;
}

/**
 * session_show() - make the session's text anew from a record
 * @session:	the session
 * @show:	fills the record; may sleep; returns 0 or a negative errno
 * @object:	handed to @show
 *
 * Context: Process context, may sleep; the caller has taken @session->gate.
 * Return: 0; -ENOMEM; or what @show returned.
 */
int session_show(struct lab_session *session,
		 int (*show)(struct lab_record *record, void *object),
		 void *object)
{
	struct lab_record record = {};
	size_t len;
	char *text;
	int err;

	err = show(&record, object);
	text = err ? ERR_PTR(err) : record_print(&record, NULL, &len);
	record_free(&record);
	if (IS_ERR(text))
		return PTR_ERR(text);
	replace_text(session, text, len, false);
	return 0;
}

/**
 * session_show_last() - make the last record the session's text
 * @session:	the session
 * @family:	whose last record; NULL: that of any
 *
 * Context: Process context, may sleep; the caller has taken @session->gate.
 * Return: 0 or -ENOMEM.
 */
int session_show_last(struct lab_session *session,
		      const struct lab_family *family)
{
	size_t len;
	char *text = runner_last(family, &len);

	if (!text)
		return -ENOMEM;
	replace_text(session, text, len, false);
	return 0;
}

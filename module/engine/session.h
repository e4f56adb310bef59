/* SPDX-License-Identifier: GPL-2.0 */
/* What an open file remembers: the text that its reader pages through. */
#ifndef KMEMLAB_ENGINE_SESSION_H
#define KMEMLAB_ENGINE_SESSION_H

#include <linux/types.h>

#include "core/command.h"
#include "core/context.h"

struct lab_call;
struct lab_family;
struct lab_record;

/**
 * struct lab_session - one open file
 * @gate:	protects all that follows; taken for as long as a command runs
 * @text:	what reading shows; owner: the session; NULL before there is any
 * @len:	its length in bytes
 * @own:	@text is the record of a command of this session
 * @fresh:	none of that record has been read yet
 * @command:	room for a command on its way in
 */
struct lab_session {
	struct context_gate gate;	/* protects all that follows */
	char *text;
	size_t len;
	bool own;
	bool fresh;
	char command[LAB_COMMAND_MAX];
};

struct lab_session *session_open(void);
void session_close(struct lab_session *session);
int session_run(struct lab_session *session, const struct lab_call *call,
		size_t len);
int session_show(struct lab_session *session,
		 int (*show)(struct lab_record *record, void *object),
		 void *object);
int session_show_last(struct lab_session *session,
		      const struct lab_family *family);

#endif

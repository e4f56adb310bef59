/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KMEMLAB_ENGINE_FINGERPRINT_H
#define KMEMLAB_ENGINE_FINGERPRINT_H

struct lab_record;

void fingerprint_record(struct lab_record *record);

#endif

// SPDX-License-Identifier: GPL-2.0
#define LAB_OPTIONAL
#include "kmemlab.h"

#include <gnu/libc-version.h>
#include <linux/mempolicy.h>
#include <malloc.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define KIB		1024ULL
#define MIB		(1024 * KIB)

/* mallopt(3): what both thresholds and M_TOP_PAD are unless told otherwise. */
#define DEFAULT_LIMIT	(128 * KIB)

/*
 * A block is preceded by a header of 16 bytes, of which the first 8 belong to
 * the chunk before while that is in use; chunks are multiples of 16 bytes, and
 * the top of the heap keeps 32 of them, the smallest chunk (glibc's malloc.c:
 * request2size, MINSIZE).
 */
#define HEADER		16ULL
#define SMALLEST_CHUNK	32ULL

#define LARGE		(16 * MIB)
#define HELD		(100 * MIB)
#define LOOP_ROUNDS	100000
#define CONTROL_ROUNDS	10
#define LOOP_BYTES	64
#define NR_SMALL	100
#define SMALL_BYTES	4000
#define HOLE_BLOCKS	8
#define HOLE_BYTES	(64 * KIB)
#define NR_PLACES	6
#define NR_ARGS		3

/* What fill_top() leaves. */
#define LEFT_ON_TOP	(KIB - 2 * HEADER)

/* An exit code that is no errno. */
#define CANNOT_TRACE	200

LAB_FIXTURE(malloc);

static unsigned long long page_down(unsigned long long n)
{
	return n & ~(PAGE_BYTES - 1ULL);
}

static unsigned long long page_up(unsigned long long n)
{
	return page_down(n + PAGE_BYTES - 1);
}

static unsigned long long chunk_of(unsigned long long request)
{
	unsigned long long chunk = (request + HEADER / 2 + 15) & ~15ULL;

	return chunk < SMALLEST_CHUNK ? SMALLEST_CHUNK : chunk;
}

/* The smallest request that makes a chunk of this size. */
static long long request_of(unsigned long long chunk)
{
	return chunk - 16 - HEADER / 2 + 1;
}

/* Nothing follows a chunk that is mapped, so its header is all its own. */
static unsigned long long mapping_of(unsigned long long request)
{
	return page_up(chunk_of(request) + HEADER / 2);
}

/* Pages that @bytes touch, from the block at the start of a mapping on. */
static long long pages_under(unsigned long long bytes)
{
	return page_up(HEADER + bytes) / PAGE_BYTES;
}

/* Pages that a block has a part of. */
static long long span_of(unsigned long long address, unsigned long long bytes)
{
	return (page_up(address + bytes) - page_down(address)) / PAGE_BYTES;
}

/* What the kernel has of a process */

struct line {
	unsigned long start, end;
	char perms[5];
	char name[128];
};

struct view {
	unsigned long brk;	/* what brk(2) says; sbrk(0) only remembers */
	unsigned long heap;	/* the end of [heap] in maps, or 0 */
	long long anonymous;	/* bytes in writable lines without a name */
	long long size;		/* pages, of statm */
	long long resident;	/* that are no file's */
	long long locked;	/* VmLck of status, in bytes */
	long long faults_before;	/* what looking itself costs is between */
	long long faults;
};

/* What a scenario hands to its test. */
struct findings {
	struct view at[6];
	long long number[8];
	char line[NR_PLACES][256];
};

static struct findings found;

/* Static, as all that a scenario uses: stdio would take from the heap. */
static char text[1 << 16];
static unsigned char is_resident[HELD / PAGE_BYTES + 2];

/* The next line of maps; moves @p behind it. */
static bool next_line(const char **p, struct line *line)
{
	const char *name;
	size_t len;
	int at;

	if (sscanf(*p, "%lx-%lx %4s %*x %*s %*u%n", &line->start, &line->end,
		   line->perms, &at) != 3)
		return false;
	name = *p + at;
	name += strspn(name, " ");
	len = strcspn(name, "\n");
	*p = name + len + (name[len] == '\n');
	if (len >= sizeof(line->name))
		len = sizeof(line->name) - 1;
	memcpy(line->name, name, len);
	line->name[len] = '\0';
	return true;
}

static const char *read_maps(void)
{
	read_file("/proc/self/maps", text, sizeof(text));
	return text;
}

/* How many lines have part of the range, and the bytes of those. */
static int nr_lines(unsigned long start, unsigned long end, long long *bytes)
{
	const char *p = read_maps();
	struct line line;
	int n = 0;

	*bytes = 0;
	while (next_line(&p, &line))
		if (line.start < end && line.end > start) {
			*bytes += line.end - line.start;
			n++;
		}
	return n;
}

static bool is_in_heap(unsigned long address, size_t bytes)
{
	const char *p = read_maps();
	struct line line;

	while (next_line(&p, &line))
		if (!strcmp(line.name, "[heap]") && line.start <= address &&
		    address + bytes <= line.end)
			return true;
	return false;
}

/*
 * Pages of a range that are resident, which unlike statm is exact; -1 where not
 * all of it is mapped.
 */
static long long nr_resident(unsigned long address, size_t bytes)
{
	unsigned long start = page_down(address);
	size_t i, pages = span_of(address, bytes);
	long long n = 0;

	if (mincore((void *)start, pages * PAGE_BYTES, is_resident))
		return -1;
	for (i = 0; i < pages; i++)
		n += is_resident[i] & 1;
	return n;
}

static long long nr_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static void look(struct view *v)
{
	long long shared = 0;
	const char *p;
	struct line line;

	v->faults_before = nr_faults();
	v->brk = syscall(SYS_brk, 0);
	v->heap = 0;
	v->anonymous = 0;
	p = read_maps();
	while (next_line(&p, &line)) {
		if (!strcmp(line.name, "[heap]"))
			v->heap = line.end;
		else if (!line.name[0] && !strcmp(line.perms, "rw-p"))
			v->anonymous += line.end - line.start;
	}
	read_file("/proc/self/statm", text, sizeof(text));
	sscanf(text, "%lld %lld %lld", &v->size, &v->resident, &shared);
	/* Around a page of the program that is missed others are mapped, too. */
	v->resident -= shared;
	read_file("/proc/self/status", text, sizeof(text));
	p = strstr(text, "VmLck:");
	v->locked = p ? strtoll(p + strlen("VmLck:"), NULL, 10) * KIB : MISSING;
	v->faults = nr_faults();
}

static long long faults_between(const struct view *a, const struct view *b)
{
	return b->faults_before - a->faults;
}

/*
 * By how much the difference of two readings of statm's residents may be wrong.
 * Linux 6.1 adds what a thread has counted at each 64th fault
 * (TASK_RSS_EVENTS_THRESH), later ones what a CPU has counted whenever that
 * comes to max(32, 2 * CPUs) (percpu_counter_batch); a scenario stays on one.
 */
static long long statm_slack(void)
{
	long long batch = 2 * sysconf(_SC_NPROCESSORS_CONF);

	return 2 * (batch < 64 ? 64 : batch);
}

/* Scenarios: each in a process of its own, whose heap nobody has used before */

/* The compiler knows malloc() and would drop a block that nothing is done to. */
static void *take(size_t bytes)
{
	void *volatile block = malloc(bytes);

	return block;
}

/* Writes to each page under the block, once. */
static void touch(void *block, size_t bytes)
{
	volatile char *p = block, *end = p + bytes;

	while (p < end) {
		*p = 1;
		p = (char *)page_down((uintptr_t)p + PAGE_BYTES);
	}
}

/*
 * For a request that the top of the heap can serve does not come to the question
 * of whether it is large.  Of the KiB that remains, the first chunk has what
 * lies behind its header, and the second its header.
 */
static void fill_top(void)
{
	uintptr_t first = (uintptr_t)take(1);

	take(syscall(SYS_brk, 0) - first - KIB);
}

static void play_brk(const long long *arg)
{
	unsigned long end;
	uintptr_t block;
	int i;

	look(&found.at[0]);
	found.number[0] = (uintptr_t)take(1);
	look(&found.at[1]);
	end = found.at[1].brk;
	for (i = 0; i < arg[0]; i++) {
		block = (uintptr_t)take(arg[1]);
		found.number[1] += syscall(SYS_brk, 0) != end;
		found.number[2] += is_in_heap(block, arg[1]);
		end = syscall(SYS_brk, 0);
	}
	look(&found.at[2]);
}

/* One request, which the top of the heap cannot serve. */
static void play_request(const long long *arg)
{
	long long bytes = arg[0], limit = arg[1], freed_first = arg[2];

	if (limit)
		mallopt(M_MMAP_THRESHOLD, limit);
	if (freed_first)
		free(take(freed_first));
	fill_top();
	look(&found.at[0]);
	found.number[0] = is_in_heap((uintptr_t)take(bytes), bytes);
	look(&found.at[1]);
}

static void play_lazy(const long long *arg)
{
	char *block;

	/*
	 * Once before, for the faults of the code itself; the threshold would
	 * rise by that, were it not set.
	 */
	mallopt(M_MMAP_THRESHOLD, DEFAULT_LIMIT);
	take(1);
	block = take(arg[0]);
	touch(block, arg[0]);
	free(block);
	look(&found.at[0]);
	block = take(arg[0]);
	look(&found.at[1]);
	found.number[0] = nr_resident((uintptr_t)block, arg[0]);
	look(&found.at[2]);
	touch(block, arg[0]);
	look(&found.at[3]);
	found.number[1] = nr_resident((uintptr_t)block, arg[0]);
	look(&found.at[4]);
	touch(block, arg[0]);
	look(&found.at[5]);
}

/* Blocks are freed under one that lives, and at last that one. */
static void play_hole(const long long *arg)
{
	void *block[HOLE_BLOCKS + 1];
	uintptr_t first, last;
	int i;

	if (arg[0])
		mallopt(M_TRIM_THRESHOLD, arg[0]);
	for (i = 0; i <= HOLE_BLOCKS; i++) {
		block[i] = take(HOLE_BYTES);
		touch(block[i], HOLE_BYTES);
	}
	first = (uintptr_t)block[0];
	last = (uintptr_t)block[HOLE_BLOCKS];
	found.number[0] = first;
	found.number[1] = last;
	look(&found.at[0]);
	for (i = 0; i < HOLE_BLOCKS; i++)
		free(block[i]);
	look(&found.at[1]);
	found.number[2] = nr_resident(first, last - first);
	free(block[HOLE_BLOCKS]);
	look(&found.at[2]);
}

/*
 * Frees the block on top, which leaves a top that the live block under it makes
 * smaller.  Without M_TOP_PAD all of it can go, so that the threshold is seen.
 */
static void play_trim(const long long *arg)
{
	uintptr_t live, top;
	void *block;

	take(1);
	mallopt(M_TOP_PAD, 0);
	if (arg[1])
		mallopt(M_TRIM_THRESHOLD, arg[1]);
	live = (uintptr_t)take(arg[0]);
	block = take(syscall(SYS_brk, 0) - live - arg[0] - KIB);
	top = (uintptr_t)block - HEADER;
	look(&found.at[0]);
	free(block);
	look(&found.at[1]);
	found.number[0] = found.at[0].brk - top;
}

static void play_unmap(const long long *arg)
{
	uintptr_t address;
	void *block;

	take(1);
	look(&found.at[0]);
	block = take(arg[0]);
	touch(block, arg[0]);
	address = (uintptr_t)block;
	look(&found.at[1]);
	found.number[0] = nr_resident(address, arg[0]);
	found.number[1] = nr_lines(address, address + arg[0],
				   &found.number[2]);
	free(block);
	look(&found.at[2]);
	found.number[3] = nr_resident(address, arg[0]);
	found.number[4] = nr_lines(address, address + arg[0],
				   &found.number[5]);
}

/* Two rounds of one block, with or without holding on to what was had. */
static void play_hold(const long long *arg)
{
	uintptr_t address;
	size_t bytes;
	void *block;

	if (arg[1]) {
		mallopt(M_TRIM_THRESHOLD, -1);
		mallopt(M_MMAP_MAX, 0);
		if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
			found.number[0] = errno;
			return;
		}
	}
	/* For the faults of the code itself; a block that top takes back. */
	bytes = arg[1] ? 4 * KIB : MIB;
	block = take(bytes);
	touch(block, bytes);
	free(block);
	look(&found.at[0]);
	block = take(arg[0]);
	touch(block, arg[0]);
	address = (uintptr_t)block;
	look(&found.at[1]);
	found.number[2] = address;
	free(block);
	found.number[1] = nr_resident(address, arg[0]);
	look(&found.at[2]);
	block = take(arg[0]);
	touch(block, arg[0]);
	look(&found.at[3]);
	free(block);
	look(&found.at[4]);
}

/* Between two calls that the C library makes on no one else's behalf. */
static void play_loop(const long long *arg)
{
	long long i;

	if (arg[2])
		mallopt(M_MMAP_THRESHOLD, arg[2]);
	free(take(arg[0]));
	look(&found.at[0]);
	syscall(SYS_getppid);
	for (i = 0; i < arg[1]; i++)
		free(take(arg[0]));
	syscall(SYS_getppid);
	look(&found.at[1]);
}

static int initialised = 1;
/* So long that its end is past the page in which the file's data end. */
static char zeroed[3 * PAGE_BYTES];

static void play_layout(const long long *arg)
{
	char local = 0;
	const uintptr_t place[NR_PLACES] = {
		(uintptr_t)play_layout,
		(uintptr_t)&initialised,
		(uintptr_t)&zeroed[sizeof(zeroed) - 1],
		(uintptr_t)take(100),
		(uintptr_t)take(MIB),
		(uintptr_t)&local,
	};
	const char *p = read_maps(), *start = p;
	struct line line;
	int i;

	for (; next_line(&p, &line); start = p)
		for (i = 0; i < NR_PLACES; i++)
			if (line.start <= place[i] && place[i] < line.end)
				snprintf(found.line[i], sizeof(found.line[i]),
					 "%.*s", (int)(p - start), start);
	for (i = 0; i < NR_PLACES; i++)
		found.number[i] = place[i];
}

static void play_sbrk(const long long *arg)
{
	char *base;

	look(&found.at[0]);
	base = sbrk(3 * PAGE_BYTES);
	look(&found.at[1]);
	found.number[0] = nr_resident((uintptr_t)base, 3 * PAGE_BYTES);
	touch(base, 3 * PAGE_BYTES);
	found.number[1] = nr_resident((uintptr_t)base, 3 * PAGE_BYTES);
	sbrk(-(long)PAGE_BYTES);
	look(&found.at[2]);
	found.number[2] = nr_resident((uintptr_t)base + 2 * PAGE_BYTES,
				      PAGE_BYTES);
	brk(base);
	look(&found.at[3]);
}

/* Shared, so that no neighbour is like it and becomes one line with it. */
static void play_pages(const long long *arg)
{
	size_t bytes = 5 * PAGE_BYTES;
	char *p;

	look(&found.at[0]);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	look(&found.at[1]);
	found.number[0] = nr_lines((uintptr_t)p, (uintptr_t)p + bytes,
				   &found.number[1]);
	munmap(p + 2 * PAGE_BYTES, PAGE_BYTES);
	found.number[2] = nr_lines((uintptr_t)p, (uintptr_t)p + bytes,
				   &found.number[3]);
	found.number[4] = nr_resident((uintptr_t)p + 2 * PAGE_BYTES,
				      PAGE_BYTES);
	munmap(p, bytes);
	found.number[5] = nr_lines((uintptr_t)p, (uintptr_t)p + bytes,
				   &found.number[6]);
	look(&found.at[2]);
}

static const struct scenario {
	const char *name;
	void (*play)(const long long *arg);
} scenarios[] = {
	{"brk", play_brk},	 {"request", play_request},
	{"lazy", play_lazy},	 {"hole", play_hole},
	{"trim", play_trim},	 {"unmap", play_unmap},
	{"hold", play_hold},	 {"loop", play_loop},
	{"layout", play_layout}, {"sbrk", play_sbrk},
	{"pages", play_pages},
};

/* Before the harness, and before anything else takes from the heap. */
__attribute__((constructor(101))) static void perform(int argc, char **argv)
{
	long long arg[NR_ARGS];
	int i;

	if (argc != 3 + NR_ARGS || strcmp(argv[1], "--scenario")) {
		/* Tests end without a flush of what they have said. */
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
		return;
	}
	for (i = 0; i < NR_ARGS; i++)
		arg[i] = strtoll(argv[3 + i], NULL, 10);
	/* What looking takes faults for, it takes them for now. */
	memset(text, 1, sizeof(text));
	memset(is_resident, 1, sizeof(is_resident));
	look(&found.at[0]);
	nr_resident((uintptr_t)text, 1);
	nr_lines(0, 1, &found.number[0]);
	memset(&found, 0, sizeof(found));
	for (i = 0; i < ARRAY_SIZE(scenarios); i++)
		if (!strcmp(argv[2], scenarios[i].name)) {
			scenarios[i].play(arg);
			if (write(STDOUT_FILENO, &found, sizeof(found)) ==
			    sizeof(found))
				_exit(0);
		}
	_exit(1);
}

/* The test's side of it */

/* System calls between the two marks of a loop. */
struct calls {
	int marks;
	long long all, maps, unmaps;
};

/*
 * What a scenario is not to depend on: pages of more than 4 KiB, faults by which
 * the kernel learns on which node memory is used (a policy of one's own excludes
 * them), the CPU, and the layout of old, in which mappings lie below the program
 * (so they do without a limit for the stack).  All of it outlives exec.
 */
static void settle(void)
{
	struct rlimit stack;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	syscall(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0);
	pin_to_cpu(sched_getcpu());
	personality(personality(~0UL) & ~ADDR_COMPAT_LAYOUT);
	getrlimit(RLIMIT_STACK, &stack);
	if (stack.rlim_cur == RLIM_INFINITY) {
		stack.rlim_cur = 8 * MIB;
		setrlimit(RLIMIT_STACK, &stack);
	}
}

/*
 * This program again, in an empty environment, for what there may be in ours
 * about malloc.
 */
static pid_t start(int *from, bool traced, const char *name,
		   const long long *arg)
{
	static char number[NR_ARGS][24];
	static char *no_environment;
	int ends[2], i;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid) {
		close(ends[1]);
		*from = ends[0];
		return pid;
	}
	for (i = 0; i < NR_ARGS; i++)
		snprintf(number[i], sizeof(number[i]), "%lld", arg[i]);
	settle();
	dup2(ends[1], STDOUT_FILENO);
	if (traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(CANNOT_TRACE);
	execle("/proc/self/exe", "malloc", "--scenario", name, number[0],
	       number[1], number[2], NULL, &no_environment);
	_exit(errno);
}

static const struct findings *finish(struct __test_metadata *_metadata,
				     int from, int code)
{
	ssize_t n = 0, len = 0;

	ASSERT_EQ(0, code);
	while ((n = read(from, (char *)&found + len, sizeof(found) - len)) > 0)
		len += n;
	close(from);
	ASSERT_EQ(sizeof(found), len);
	return &found;
}

static const struct findings *play(struct __test_metadata *_metadata,
				   const char *name, long long a, long long b,
				   long long c)
{
	const long long arg[NR_ARGS] = {a, b, c};
	int from = -1;
	pid_t pid = start(&from, false, name, arg);

	return finish(_metadata, from, exit_code_of(pid));
}

/* At a stop where a system call begins or ends. */
static void count_call(pid_t pid, struct calls *calls)
{
	struct __ptrace_syscall_info info = {};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info.entry.nr == SYS_getppid) {
		calls->marks++;
	} else if (calls->marks == 1) {
		calls->all++;
		calls->maps += info.entry.nr == SYS_mmap;
		calls->unmaps += info.entry.nr == SYS_munmap;
	}
}

/*
 * Follows a process from one system call to the next until it ends.  Returns
 * its exit code, or -1.
 */
static int count_calls(pid_t pid, struct calls *calls)
{
	bool begun = false;
	int status = -1;

	memset(calls, 0, sizeof(*calls));
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		if (!begun) {
			/* The stop of the new program, before it runs. */
			ptrace(PTRACE_SETOPTIONS, pid, NULL,
			       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
			begun = true;
			sig = 0;
		} else if (sig == (SIGTRAP | 0x80)) {
			count_call(pid, calls);
			sig = 0;
		}
		if (ptrace(PTRACE_SYSCALL, pid, NULL, sig))
			return -1;
	}
	if (!WIFEXITED(status))
		return -1;
	return begun && calls->marks != 2 ? -1 : WEXITSTATUS(status);
}

static double kib(long long bytes)
{
	return bytes / 1024.0;
}

/* How the heap grows for a request that its top cannot serve. */
static unsigned long long growth_of(unsigned long long chunk,
				    unsigned long long top)
{
	/* Whole pages, for glibc keeps the top's end at one. */
	return page_up(chunk + DEFAULT_LIMIT + SMALLEST_CHUNK - top);
}

TEST_F(malloc, brk)
{
	const struct findings *f = play(_metadata, "brk", NR_SMALL,
					SMALL_BYTES, 0);
	const struct view *fresh = &f->at[0], *first = &f->at[1];
	const struct view *last = &f->at[2];
	unsigned long long chunk = chunk_of(SMALL_BYTES), end, top;
	int moves = 0, i;

	say("the C library: glibc %s, by gnu_get_libc_version()",
	    gnu_get_libc_version());
	if (!fresh->heap)
		say("/proc/self/maps of a new process has no [heap] line");
	say("malloc(1): [heap] is %g KiB, for 128 are had in advance",
	    kib(first->heap - fresh->brk));
	say("%d requests of %d bytes: %lld of the blocks lie in [heap],",
	    NR_SMALL, SMALL_BYTES, f->number[2]);
	say("its end moved %lld times, and it grew from %g to %g KiB",
	    f->number[1], kib(first->heap - fresh->brk),
	    kib(last->heap - fresh->brk));

	/*
	 * A page at most for the block, what each thread has for itself and
	 * the smallest top; and M_TOP_PAD.
	 */
	EXPECT_EQ(DEFAULT_LIMIT + PAGE_BYTES, first->heap - fresh->brk);
	EXPECT_EQ(first->brk, first->heap);
	/* From the end of the first chunk the rest follows. */
	end = first->heap;
	top = end - (f->number[0] - HEADER + chunk_of(1));
	for (i = 0; i < NR_SMALL; i++) {
		if (top < chunk + SMALLEST_CHUNK) {
			end += growth_of(chunk, top);
			top += growth_of(chunk, top);
			moves++;
		}
		top -= chunk;
	}
	EXPECT_EQ(end, last->heap);
	EXPECT_EQ(end, last->brk);
	EXPECT_EQ(moves, f->number[1]);
	EXPECT_EQ(NR_SMALL, f->number[2]);
	EXPECT_EQ(first->anonymous, last->anonymous);
}

/* What a request adds, in KiB of maps. */
struct growth {
	double heap, other;
};

/* It gets a mapping of its own, and just that; or is in a heap that grew. */
static struct growth check_request(struct __test_metadata *_metadata,
				   long long bytes, long long limit,
				   long long freed_first, bool is_mapped)
{
	const struct findings *f = play(_metadata, "request", bytes, limit,
					freed_first);
	const struct view *before = &f->at[0], *after = &f->at[1];
	long long heap = after->heap - before->heap;
	long long other = after->anonymous - before->anonymous;

	EXPECT_EQ(is_mapped ? mapping_of(bytes) : 0, other);
	EXPECT_EQ(is_mapped ? 0 : growth_of(chunk_of(bytes), LEFT_ON_TOP),
		  heap);
	EXPECT_EQ(!is_mapped, f->number[0]);
	EXPECT_EQ((heap + other) / (long long)PAGE_BYTES,
		  after->size - before->size);
	return (struct growth){kib(heap), kib(other)};
}

/* From the smallest request on that comes to it, but for none below. */
static void check_limit(struct __test_metadata *_metadata, const char *when,
			long long limit, long long freed_first,
			long long threshold)
{
	long long n = request_of(threshold);
	struct growth below = check_request(_metadata, n - 1, limit,
					    freed_first, false);
	struct growth from = check_request(_metadata, n, limit, freed_first,
					   true);

	say("%s: %lld bytes: [heap] +%g KiB; %lld: +%g elsewhere", when,
	    n - 1, below.heap, n, from.other);
}

TEST_F(malloc, mmap)
{
	const struct findings *f;
	struct growth growth;

	say("/proc/self/maps, at a request for which the heap has no room:");
	check_limit(_metadata, "by default", 0, 0, DEFAULT_LIMIT);
	say("(131049 with its header, in multiples of 16: 128 KiB)");
	check_limit(_metadata, "set to 64 KiB", 64 * KIB, 0, 64 * KIB);
	/*
	 * mallopt(3): by the free of a mapped block the threshold becomes the
	 * size of that, header and whole pages included.
	 */
	check_limit(_metadata, "1 MiB freed", 0, MIB, mapping_of(MIB));
	growth = check_request(_metadata, 512 * KIB, 0, MIB, false);
	say("1 MiB freed: 512 KiB: [heap] +%g KiB; +%g elsewhere",
	    growth.heap, growth.other);
	growth = check_request(_metadata, 512 * KIB, DEFAULT_LIMIT, MIB, true);
	say("but M_MMAP_THRESHOLD set to 128 KiB: [heap] +%g KiB; +%g elsewhere",
	    growth.heap, growth.other);

	/* The 132 KiB that the heap begins with have room for this. */
	f = play(_metadata, "brk", 1, request_of(DEFAULT_LIMIT), 0);
	say("131049 bytes where the heap is new and has room: [heap] +%g KiB",
	    kib(f->at[2].heap - f->at[1].heap));
	EXPECT_EQ(1, f->number[2]);
	EXPECT_EQ(f->at[1].brk, f->at[2].brk);
	EXPECT_EQ(f->at[1].size, f->at[2].size);
}

TEST_F(malloc, lazy)
{
	const struct findings *f = play(_metadata, "lazy", LARGE, 0, 0);
	long long pages = pages_under(LARGE);
	const struct view *at = f->at;

	say("malloc(16 MiB): /proc/self/statm has %lld pages more in size,",
	    at[1].size - at[0].size);
	say("and %lld resident: %lld fault, where the header is written",
	    f->number[0], faults_between(&at[0], &at[1]));
	say("a byte written to each page: %lld resident, %lld faults",
	    f->number[1], faults_between(&at[2], &at[3]));
	say("statm, which counts in batches: %lld resident more",
	    at[3].resident - at[1].resident);
	say("a byte written to each once more: %lld faults",
	    faults_between(&at[4], &at[5]));

	EXPECT_EQ(mapping_of(LARGE) / PAGE_BYTES, at[1].size - at[0].size);
	EXPECT_EQ(1, f->number[0]);
	EXPECT_EQ(1, faults_between(&at[0], &at[1]));
	EXPECT_GE(1 + statm_slack(), at[1].resident - at[0].resident);
	EXPECT_EQ(pages, f->number[1]);
	EXPECT_EQ(pages - 1, faults_between(&at[2], &at[3]));
	EXPECT_EQ(at[1].size, at[3].size);
	EXPECT_LE(pages - 1 - statm_slack(), at[3].resident - at[1].resident);
	EXPECT_GE(pages - 1 + statm_slack(), at[3].resident - at[1].resident);
	EXPECT_EQ(0, faults_between(&at[4], &at[5]));
}

/*
 * What the break comes down by when all from @chunk up is free: whole pages,
 * and M_TOP_PAD and the smallest top with a byte to spare remain (glibc's
 * systrim()).
 */
static unsigned long long trimmed(unsigned long long top,
				  unsigned long long pad)
{
	return page_down(top - SMALLEST_CHUNK - 1 - pad);
}

/*
 * The smallest top that is given back, found by how much lives under it, and the
 * largest that is not.
 */
static void check_trim(struct __test_metadata *_metadata, long long limit,
		       long long threshold)
{
	long long given = 1, kept = 7 * 1024, smallest = 0, largest = 0;

	/* Chunks are multiples of 16, so in these is how the live one grows. */
	while (given + 1 < kept) {
		long long live = (given + kept) / 2;
		const struct findings *f = play(_metadata, "trim",
						live * 16 + 8, limit, 0);
		long long down = f->at[0].brk - f->at[1].brk;

		if (down) {
			given = live;
			smallest = f->number[0];
			EXPECT_EQ(trimmed(smallest, 0), down);
		} else {
			kept = live;
			largest = f->number[0];
		}
	}
	say("%s a free top of %lld bytes stays, one of %lld goes",
	    limit ? "set to 96 KiB:" : "by default:", largest, smallest);
	EXPECT_EQ(threshold, smallest);
	EXPECT_EQ(threshold - 16, largest);
}

TEST_F(malloc, hole)
{
	const struct findings *f = play(_metadata, "hole", 0, 0, 0);
	const struct view *at = f->at;
	unsigned long long first = f->number[0], last = f->number[1];
	unsigned long long top = at[1].brk - (first - HEADER);

	say("%d blocks of 64 KiB freed under a live one: brk moves by %g KiB,",
	    HOLE_BLOCKS, kib(at[1].brk - at[0].brk));
	say("and %lld of their %lld pages are resident still", f->number[2],
	    span_of(first, last - first));
	say("the live one freed too: brk comes down by %g KiB, %g remain",
	    kib(at[1].brk - at[2].brk), kib(at[2].brk - first + HEADER));
	EXPECT_EQ(at[0].brk, at[1].brk);
	EXPECT_EQ(span_of(first, last - first), f->number[2]);
	EXPECT_EQ(trimmed(top, DEFAULT_LIMIT), at[1].brk - at[2].brk);
	EXPECT_EQ(at[2].brk, at[2].heap);

	f = play(_metadata, "hole", 8 * MIB, 0, 0);
	say("the same with M_TRIM_THRESHOLD of 8 MiB: it moves by %g KiB",
	    kib(at[2].brk - at[1].brk));
	EXPECT_EQ(at[1].brk, at[2].brk);

	say("where M_TRIM_THRESHOLD is, by trying (M_TOP_PAD is 0 for this):");
	check_trim(_metadata, 0, DEFAULT_LIMIT);
	check_trim(_metadata, 96 * KIB, 96 * KIB);
}

TEST_F(malloc, unmap)
{
	const struct findings *f = play(_metadata, "unmap", LARGE, 0, 0);
	long long pages = pages_under(LARGE);
	const struct view *at = f->at;

	say("malloc(16 MiB), written to: %lld line of /proc/self/maps has it,",
	    f->number[1]);
	say("statm is up by %lld pages, and %lld are resident",
	    at[1].size - at[0].size, f->number[0]);
	say("free: %lld lines have it, statm is up by %lld pages,",
	    f->number[4], at[2].size - at[0].size);
	say("and resident by %lld (statm counts these in batches)",
	    at[2].resident - at[0].resident);

	EXPECT_EQ(1, f->number[1]);
	EXPECT_EQ(pages, f->number[0]);
	EXPECT_EQ(pages, at[1].size - at[0].size);
	EXPECT_EQ(mapping_of(LARGE), at[1].anonymous - at[0].anonymous);
	EXPECT_EQ(0, f->number[4]);
	EXPECT_EQ(-1, f->number[3]);
	EXPECT_EQ(at[0].size, at[2].size);
	EXPECT_EQ(at[0].anonymous, at[2].anonymous);
	EXPECT_LE(pages - statm_slack(), at[1].resident - at[0].resident);
	EXPECT_GE(statm_slack(), at[2].resident - at[0].resident);
}

TEST_F(malloc, hold)
{
	static struct findings held;
	long long pages = pages_under(HELD);
	const struct findings *f;
	const struct view *at;
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (geteuid() && limit.rlim_cur < 2 * HELD)
		SKIP(return, "malloc.hold: RLIMIT_MEMLOCK is too low");
	held = *play(_metadata, "hold", HELD, true, 0);
	if (held.number[0] == EPERM || held.number[0] == ENOMEM)
		SKIP(return, "malloc.hold: mlockall() is not permitted");
	ASSERT_EQ(0, held.number[0]);

	f = play(_metadata, "hold", HELD, false, 0);
	at = f->at;
	say("100 MiB, written to: %lld faults; freed: %lld pages resident more",
	    faults_between(&at[0], &at[1]), at[2].resident - at[0].resident);
	say("the same again: %lld faults", faults_between(&at[2], &at[3]));
	EXPECT_EQ(pages, faults_between(&at[0], &at[1]));
	EXPECT_EQ(-1, f->number[1]);
	EXPECT_GE(statm_slack(), at[2].resident - at[0].resident);
	EXPECT_EQ(pages, faults_between(&at[2], &at[3]));
	EXPECT_EQ(0, at[4].locked);

	at = held.at;
	pages = span_of(held.number[2], HELD);
	say("with M_TRIM_THRESHOLD -1, M_MMAP_MAX 0 and mlockall():");
	say("%lld faults; freed: %lld pages resident more,",
	    faults_between(&at[0], &at[1]), at[2].resident - at[0].resident);
	say("and by VmLck in /proc/self/status %g MiB locked more",
	    kib(kib(at[2].locked - at[0].locked)));
	say("the same again: %lld faults", faults_between(&at[2], &at[3]));
	EXPECT_EQ(growth_of(chunk_of(HELD),
			    at[0].brk - (held.number[2] - HEADER)),
		  at[1].brk - at[0].brk);
	/* Locked pages are there once brk() returns, by a fault for each. */
	EXPECT_EQ((at[1].brk - at[0].brk) / PAGE_BYTES,
		  faults_between(&at[0], &at[1]));
	EXPECT_EQ(at[1].brk, at[2].brk);
	EXPECT_EQ(pages, held.number[1]);
	EXPECT_LE(pages - statm_slack(), at[2].resident);
	EXPECT_EQ(at[1].brk - at[0].brk, at[2].locked - at[0].locked);
	EXPECT_EQ(0, faults_between(&at[2], &at[3]));
	EXPECT_EQ(at[1].brk, at[4].brk);
	EXPECT_EQ(at[2].locked, at[4].locked);
}

/* False where no one may trace. */
static bool play_traced(struct __test_metadata *_metadata, long long bytes,
			long long rounds, long long limit, struct calls *calls)
{
	const long long arg[NR_ARGS] = {bytes, rounds, limit};
	int from = -1, code = count_calls(start(&from, true, "loop", arg),
					  calls);

	if (code == CANNOT_TRACE)
		return false;
	finish(_metadata, from, code);
	return true;
}

TEST_F(malloc, quiet)
{
	const struct view *at = found.at;
	struct calls calls;

	if (!play_traced(_metadata, LOOP_BYTES, LOOP_ROUNDS, 0, &calls))
		SKIP(return, "malloc.quiet: PTRACE_TRACEME is not permitted");
	say("%d times malloc(%d) and free, each system call counted by",
	    LOOP_ROUNDS, LOOP_BYTES);
	say("ptrace(2): %lld calls, %lld faults, brk moves by %ld bytes",
	    calls.all, faults_between(&at[0], &at[1]),
	    (long)(at[1].brk - at[0].brk));
	EXPECT_EQ(0, calls.all);
	EXPECT_EQ(0, faults_between(&at[0], &at[1]));
	EXPECT_EQ(at[0].brk, at[1].brk);
	EXPECT_EQ(at[0].size, at[1].size);

	/* That what was counted can be: blocks that are mapped each time. */
	play_traced(_metadata, MIB, CONTROL_ROUNDS, DEFAULT_LIMIT, &calls);
	say("%d times malloc(1 MiB) and free, by the same count: %lld calls,",
	    CONTROL_ROUNDS, calls.all);
	say("%lld mmap and %lld munmap, and %lld faults (each header's page)",
	    calls.maps, calls.unmaps, faults_between(&at[0], &at[1]));
	EXPECT_EQ(2 * CONTROL_ROUNDS, calls.all);
	EXPECT_EQ(CONTROL_ROUNDS, calls.maps);
	EXPECT_EQ(CONTROL_ROUNDS, calls.unmaps);
	EXPECT_EQ(CONTROL_ROUNDS, faults_between(&at[0], &at[1]));
	EXPECT_EQ(at[0].size, at[1].size);
}

/*
 * Pages that the kernel hands out while a command runs, or MISSING where it
 * fails.  The command's own costs are among them.
 */
static long long pages_during_loop(int rounds, struct record *record)
{
	long long before = pages_allocated();

	*record = *run("kmalloc.loop size=%d rounds=%d", LOOP_BYTES, rounds);
	return record->err ? MISSING : pages_allocated() - before;
}

#define LOOP_CACHE	"kmalloc-64"

/*
 * With generic KASAN nothing is used again as long as it is in the quarantine,
 * where each object goes that is freed and no other leaves before it
 * (mm/kasan/quarantine.c, kasan_quarantine_put()): the loop takes new slabs, for
 * all the objects but those that were free.  It keeps a MiB for each CPU at the
 * least (QUARANTINE_PERCPU_SIZE), others' objects among them, so that the loop's can
 * be given back once in that MiB: half of them are new in any case.  To shrink a cache
 * empties it of its objects.
 */
static void check_quarantined(struct __test_metadata *_metadata)
{
	long long rounds = MIB / sysfs_number(LOOP_CACHE, "slab_size");
	long long per_slab = sysfs_number(LOOP_CACHE, "objs_per_slab");
	long long free, slabs, pages, least;
	static struct record record;
	int tries;

	/* Until nobody else gives back objects that the loop can have. */
	for (tries = 0; may_try(tries); tries++) {
		ASSERT_EQ(0, write_file("/sys/kernel/slab/" LOOP_CACHE "/shrink",
					"1"));
		free = sysfs_number(LOOP_CACHE, "total_objects") -
		       sysfs_number(LOOP_CACHE, "objects");
		slabs = (rounds / 2 - free + per_slab - 1) / per_slab;
		least = slabs << sysfs_number(LOOP_CACHE, "order");
		pages = pages_during_loop(rounds, &record);
		ASSERT_EQ(0, record.err);
		if (number_of(&record, "ledger.allocated_pages") >= least)
			break;
	}
	say("%lld times kmalloc(%d) and kfree in the kernel, of which KASAN keeps",
	    number_of(&record, "nr_pairs"), LOOP_BYTES);
	say("each: %lld were free, so that %lld slabs or more are new; pgalloc_* is up by %lld",
	    free, slabs, pages);
	EXPECT_EQ(rounds, number_of(&record, "nr_pairs"));
	ASSERT_LT(0, slabs);
	EXPECT_LE(least, pages);
	EXPECT_LE(least, number_of(&record, "ledger.allocated_pages"));
	EXPECT_GE(pages, number_of(&record, "ledger.allocated_pages"));
}

TEST_F(malloc, kernel)
{
	static struct record one, many;
	long long for_one = 0, for_many = 1;
	int tries;

	if (!lab_is_loaded())
		SKIP(return, "malloc.kernel: kmemlab is not loaded");
	/* The caches of one CPU. */
	ASSERT_TRUE(pin_to_cpu(0));
	if (config_has("CONFIG_KASAN_GENERIC")) {
		check_quarantined(_metadata);
		return;
	}
	for (tries = 0; may_try(tries) && for_one != for_many; tries++) {
		for_one = pages_during_loop(1, &one);
		for_many = pages_during_loop(LOOP_ROUNDS, &many);
		ASSERT_EQ(0, one.err);
		ASSERT_EQ(0, many.err);
	}
	say("%lld times kmalloc(%d) and kfree in the kernel:",
	    number_of(&many, "nr_pairs"), LOOP_BYTES);
	say("pgalloc_* of /proc/vmstat are up by %lld pages,", for_many);
	say("and by %lld when the same command does it once", for_one);
	say("by the ledger of its record it had %lld pages",
	    number_of(&many, "ledger.allocated_pages"));
	EXPECT_EQ(1, number_of(&one, "nr_pairs"));
	EXPECT_EQ(LOOP_ROUNDS, number_of(&many, "nr_pairs"));
	EXPECT_EQ(for_one, for_many);
	/* Objects that are not used again would fill this many. */
	EXPECT_GT(LOOP_ROUNDS * LOOP_BYTES / (long long)PAGE_BYTES, for_many);
	/* The record's count is over a part of what the kernel's is over. */
	EXPECT_LE(0, number_of(&many, "ledger.allocated_pages"));
	EXPECT_GE(for_many, number_of(&many, "ledger.allocated_pages"));
}

TEST_F(malloc, layout)
{
	static const struct {
		const char *what, *perms, *name;
	} places[NR_PLACES] = {
		{"a function", "r-xp", NULL},
		{"an initialised variable", "rw-p", NULL},
		{"a zero variable", "rw-p", ""},
		{"malloc(100)", "rw-p", "[heap]"},
		{"malloc(1 MiB)", "rw-p", ""},
		{"a local variable", "rw-p", "[stack]"},
	};
	struct line line[NR_PLACES];
	const struct findings *f;
	char program[128] = "";
	const char *p;
	int i;

	if (read_number("/proc/sys/vm/legacy_va_layout") == 1)
		SKIP(return, "malloc.layout: vm.legacy_va_layout is set");
	ASSERT_LT(0, readlink("/proc/self/exe", program,
			      sizeof(program) - 1));
	f = play(_metadata, "layout", 0, 0, 0);
	say("/proc/self/maps, from low addresses to high:");
	for (i = 0; i < NR_PLACES; i++) {
		p = f->line[i];
		ASSERT_TRUE(next_line(&p, &line[i]))
			TH_LOG("%s is in no line", places[i].what);
		p = strrchr(line[i].name, '/');
		say("%012lx-%012lx %s %-9s %s", line[i].start, line[i].end,
		    line[i].perms, p ? p + 1 : line[i].name, places[i].what);
	}
	for (i = 0; i < NR_PLACES; i++) {
		const char *name = places[i].name ?: program;

		/*
		 * Where addresses are not at random the heap begins right
		 * behind, and what touches it may have its name.
		 */
		if (i == 2 && line[2].end >= line[3].start && line[2].name[0])
			name = "[heap]";
		EXPECT_STREQ(places[i].perms, line[i].perms);
		EXPECT_STREQ(name, line[i].name);
		if (i)
			EXPECT_LT(f->number[i - 1], f->number[i]);
	}
	/* The program's variables are one area, by the page where data end. */
	EXPECT_EQ(line[1].end, line[2].start);
	EXPECT_LT(line[0].start, line[1].start);
	EXPECT_LE(line[2].end, line[3].end);
	EXPECT_LE(line[3].end, line[4].start);
	EXPECT_LE(line[4].end, line[5].start);
}

TEST_F(malloc, raw)
{
	const struct findings *f = play(_metadata, "sbrk", 0, 0, 0);
	const struct view *at = f->at;
	long long pages = 5 * PAGE_BYTES;

	say("sbrk(3 pages): [heap] in /proc/self/maps is %g KiB more,",
	    kib(at[1].heap - at[0].brk));
	say("of which %lld pages are resident, %lld once they were written to",
	    f->number[0], f->number[1]);
	say("sbrk(-1 page): its end moves by %g KiB",
	    kib((long long)(at[2].heap - at[1].heap)));
	say("brk(where it was): moved by %g KiB in all",
	    kib(at[3].brk - at[0].brk));
	EXPECT_EQ(3 * PAGE_BYTES, at[1].heap - at[0].brk);
	EXPECT_EQ(at[0].size + 3, at[1].size);
	EXPECT_EQ(0, f->number[0]);
	EXPECT_EQ(3, f->number[1]);
	EXPECT_EQ(PAGE_BYTES, at[1].heap - at[2].heap);
	EXPECT_EQ(-1, f->number[2]);
	EXPECT_EQ(at[0].heap, at[3].heap);
	EXPECT_EQ(at[0].brk, at[3].brk);
	EXPECT_EQ(at[0].size, at[3].size);

	f = play(_metadata, "pages", 0, 0, 0);
	say("mmap of 5 pages: %lld line of %g KiB; munmap of the middle one:",
	    f->number[0], kib(f->number[1]));
	say("%lld lines of %g KiB; munmap of all: %lld lines",
	    f->number[2], kib(f->number[3]), f->number[5]);
	EXPECT_EQ(1, f->number[0]);
	EXPECT_EQ(pages, f->number[1]);
	EXPECT_EQ(at[0].size + 5, at[1].size);
	EXPECT_EQ(2, f->number[2]);
	EXPECT_EQ(pages - (long long)PAGE_BYTES, f->number[3]);
	EXPECT_EQ(-1, f->number[4]);
	EXPECT_EQ(0, f->number[5]);
	EXPECT_EQ(at[0].size, at[2].size);
}

TEST_HARNESS_MAIN

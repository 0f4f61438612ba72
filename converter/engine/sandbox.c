#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/banned.h"

/* The runtimes of the sanitizers map terabytes and make calls of their own: a build with one has a
 * longer list and no limit on address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* Debian 12's linux/landlock.h ends at ABI 2, so what later kernels know is spelled out here. */
struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* since ABI 4 */
    uint64_t scoped;             /* since ABI 6 */
};

#define RULESET_VERSION 1U
#define FS_RIGHTS_ABI_1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_CONNECT_TCP 3ULL
#define SCOPE_ABSTRACT_UNIX_SIGNAL 3ULL

/* mmap and mprotect are added with a condition: never executable. */
static const char *const allowed[] = { "read",
                                       "write",
                                       "lseek",
                                       "brk",
                                       "munmap",
                                       "mremap",
                                       "madvise",
                                       "futex",
                                       "exit_group",
                                       "exit",
                                       "clock_gettime",
                                       "clock_nanosleep",
                                       "rt_sigreturn",
                                       "rt_sigprocmask",
                                       "getpid",
                                       "gettid",
                                       "newfstatat",
                                       "fstat",
                                       "getrandom",
                                       "sched_getaffinity",
                                       "restart_syscall",
#if HAS_SANITIZER
                                       "mprotect",
                                       "sigaltstack",
                                       "rt_sigaction",
                                       "tgkill",
                                       "sched_yield",
                                       "getrlimit",
                                       "prlimit64",
                                       "nanosleep",
                                       "gettimeofday",
                                       "rseq",
                                       "set_robust_list",
                                       "close",
#endif
                                       NULL };

/* Libraries ask for these and live with a no. */
static const struct {
    const char *name;
    int error;
} refused[] = {
    { "access", EACCES }, { "readlink", EACCES }, { "ioctl", EPERM },
    { "sysinfo", EPERM }, { "fcntl", EPERM },
};

/* iconv looks for its tables. Nobody honest opens a file to write. */
#define OPEN_TO_WRITE ((scmp_datum_t)(O_ACCMODE | O_CREAT | O_TRUNC))

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

const char *const *sandbox_allowed_calls(void)
{
    return allowed;
}

static enum err enter_landlock(struct error *e)
{
    int abi = sandbox_landlock_abi();
    if (abi < 1) {
        return OK;
    }
    struct ruleset_attr attr = { .handled_access_fs = FS_RIGHTS_ABI_1 };
    attr.handled_access_fs |= abi >= 2 ? FS_REFER : 0;
    attr.handled_access_fs |= abi >= 3 ? FS_TRUNCATE : 0;
    attr.handled_access_fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    attr.handled_access_net = abi >= 4 ? NET_BIND_CONNECT_TCP : 0;
    attr.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SIGNAL : 0;
    /* A kernel takes a longer struct when what it does not know is zero. */
    long fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "landlock_create_ruleset");
    }
    long failed = syscall(SYS_landlock_restrict_self, (int)fd, 0);
    int saved = errno;
    (void)close((int)fd);
    return failed != 0 ? err_set_errno(e, ERR_FAULT, saved, "landlock_restrict_self") : OK;
}

static enum err set_limits(const struct sandbox_limits *limits, struct error *e)
{
    const struct {
        int64_t value;
        __rlimit_resource_t resource;
        bool breaks_sanitizer;
    } rows[] = {
        { limits->memory_bytes, RLIMIT_AS, true },
        { limits->cpu_s, RLIMIT_CPU, false },
        { limits->file_bytes, RLIMIT_FSIZE, false },
        { 3, RLIMIT_NOFILE, false },
        { 0, RLIMIT_NPROC, false },
        { 0, RLIMIT_CORE, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rlimit limit = { (rlim_t)rows[i].value, (rlim_t)rows[i].value };
        if (HAS_SANITIZER && rows[i].breaks_sanitizer) {
            continue;
        }
        if (rows[i].resource == RLIMIT_CPU) {
            /* SIGXCPU first: it says what it was. */
            limit.rlim_max += 1;
        }
        if (setrlimit(rows[i].resource, &limit) != 0) {
            return err_set_errno(e, ERR_FAULT, errno, "setrlimit %d", (int)rows[i].resource);
        }
    }
    return OK;
}

static enum err set_process_flags(struct error *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return err_set_errno(e, ERR_FAULT, errno, "prctl");
    }
    return OK;
}

static int refuse_to_open(scmp_filter_ctx filter)
{
    uint32_t action = SCMP_ACT_ERRNO(EACCES);
    int failed = seccomp_rule_add(filter, action, SCMP_SYS(openat), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, OPEN_TO_WRITE, 0));
    int old = seccomp_syscall_resolve_name("open");
    if (failed == 0 && old != __NR_SCMP_ERROR) {
        failed = seccomp_rule_add(filter, action, old, 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, OPEN_TO_WRITE, 0));
    }
    return failed;
}

/* A call that this architecture does not have needs no rule. */
static int add_rules(scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; allowed[i] != NULL && failed == 0; i++) {
        int call = seccomp_syscall_resolve_name(allowed[i]);
        failed = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(refused) && failed == 0; i++) {
        int call = seccomp_syscall_resolve_name(refused[i].name);
        uint32_t action = SCMP_ACT_ERRNO((uint32_t)refused[i].error);
        failed = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, call, 0);
    }
    failed = failed != 0 ? failed : refuse_to_open(filter);
    if (failed == 0) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    }
    if (failed == 0 && !HAS_SANITIZER) {
        /* abort() signals itself, and only itself: a bug then looks like one. */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    }
    return failed;
}

static enum err enter_seccomp(struct error *e)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL) {
        return err_set(e, ERR_FAULT, "seccomp_init");
    }
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* By default a call by another architecture's table kills its thread only. */
    failed = failed != 0 ? failed
                         : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    failed = failed != 0 ? failed : add_rules(filter);
    failed = failed != 0 ? failed : seccomp_load(filter);
    seccomp_release(filter);
    return failed != 0 ? err_set_errno(e, ERR_FAULT, -failed, "seccomp") : OK;
}

enum err sandbox_begin(struct error *e)
{
    enum err err = set_process_flags(e);
    return err != OK ? err : enter_landlock(e);
}

enum err sandbox_shut(const struct sandbox_limits *limits, struct error *e)
{
    enum err err = set_limits(limits, e);
    return err != OK ? err : enter_seccomp(e);
}

enum err sandbox_enter(const struct sandbox_limits *limits, struct error *e)
{
    enum err err = sandbox_begin(e);
    return err != OK ? err : sandbox_shut(limits, e);
}

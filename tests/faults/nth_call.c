/* Loaded before libc (LD_PRELOAD): counts the calls by which one program changes the disk, and lets the n-th fail, or
 * ends the program there as kill -9 would.
 *
 *   NTH_CALL_PROGRAM  file name of the program; others (git, say) are left alone
 *   NTH_CALL_AT       which call, from 1; 0 for none
 *   NTH_CALL_HOW      kill: before the call; torn: in the middle of a write, else before the call;
 *                     a number: the call fails with that errno; +NUMBER: so does every later one that needs space
 *   NTH_CALL_COUNT    file that gets the number of calls at the end
 *   NTH_CALL_SYNCED   file that gets what every sync promised to keep: "F INODE" for a file, "D INODE NAME" for each entry
 *                     that a folder had, "S" for a whole file system
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long at;
static pid_t process;
static int kills, tears, failure, stays;

__attribute__((constructor)) static void begin(void) {
  char self[4096];
  const char* wanted = getenv("NTH_CALL_PROGRAM");
  ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (wanted == NULL || size <= 0) return;
  self[size] = 0;
  const char* slash = strrchr(self, '/');
  if (strcmp(slash ? slash + 1 : self, wanted) != 0) return;
  process = getpid();
  const char* number = getenv("NTH_CALL_AT");
  at = number ? atol(number) : 0;
  const char* how = getenv("NTH_CALL_HOW");
  if (how == NULL) how = "kill";
  kills = strcmp(how, "kill") == 0;
  tears = strcmp(how, "torn") == 0;
  stays = how[0] == '+';
  failure = kills || tears ? 0 : atoi(how + stays);
}

__attribute__((destructor)) static void end(void) {
  const char* path = getenv("NTH_CALL_COUNT");
  if (path == NULL || process != getpid()) return;
  FILE* file = fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%ld", (long)calls);
  fclose(file);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* The errno that this call is to fail with, 0 to go on. */
static int meets(int needs_space) {
  if (process == 0 || process != getpid()) return 0;
  long mine = ++calls;
  if (at == 0 || mine < at) return 0;
  if (mine == at && (kills || tears)) die();
  if (failure == 0) return 0;
  if (stays) return needs_space ? failure : 0;
  return mine == at ? failure : 0;
}

static int is_file(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STOP(needs_space)               \
  do {                                  \
    int stopped = meets(needs_space);   \
    if (stopped != 0) {                 \
      errno = stopped;                  \
      return -1;                        \
    }                                   \
  } while (0)

ssize_t write(int fd, const void* data, size_t size) {
  if (is_file(fd)) {
    if (tears && process == getpid() && calls + 1 == at) {
      syscall(SYS_write, fd, data, size / 2);
      die();
    }
    STOP(1);
  }
  return syscall(SYS_write, fd, data, size);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (is_file(fd)) STOP(1);
  return REAL(pwrite)(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  if (is_file(fd)) STOP(1);
  return REAL(pwrite64)(fd, data, size, offset);
}
ssize_t writev(int fd, const struct iovec* parts, int count) {
  if (is_file(fd)) STOP(1);
  return REAL(writev)(fd, parts, count);
}

static int creates(int flags) { return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }
#define MODE(flags, mode)       \
  mode_t mode = 0;              \
  if (creates(flags)) {         \
    va_list rest;               \
    va_start(rest, flags);      \
    mode = va_arg(rest, mode_t); \
    va_end(rest);               \
    STOP(1);                    \
  }
int open(const char* path, int flags, ...) {
  MODE(flags, mode)
  return REAL(open)(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE(flags, mode)
  return REAL(open64)(path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MODE(flags, mode)
  return REAL(openat)(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  MODE(flags, mode)
  return REAL(openat64)(folder, path, flags, mode);
}

#define CALL(needs_space, name, parameters, arguments) \
  int name parameters {                                \
    STOP(needs_space);                                 \
    return REAL(name) arguments;                       \
  }
CALL(0, rename, (const char* from, const char* to), (from, to))
CALL(0, renameat, (int a, const char* from, int b, const char* to), (a, from, b, to))
CALL(1, link, (const char* from, const char* to), (from, to))
CALL(1, linkat, (int a, const char* from, int b, const char* to, int flags), (a, from, b, to, flags))
CALL(1, symlink, (const char* from, const char* to), (from, to))
CALL(1, mkdir, (const char* path, mode_t mode), (path, mode))
CALL(1, mkdirat, (int folder, const char* path, mode_t mode), (folder, path, mode))
CALL(0, unlink, (const char* path), (path))
CALL(0, unlinkat, (int folder, const char* path, int flags), (folder, path, flags))
CALL(0, rmdir, (const char* path), (path))
CALL(1, ftruncate, (int fd, off_t size), (fd, size))
CALL(1, ftruncate64, (int fd, off64_t size), (fd, size))

/* A line at a time, whole, by calls that are not counted. */
static void note(const char* line, size_t size) {
  static int file = -1;
  const char* path = getenv("NTH_CALL_SYNCED");
  if (path == NULL || process == 0 || process != getpid()) return;
  if (file < 0) file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  syscall(SYS_write, file, line, size);
}

static int noted(int fd, int result) {
  struct stat status;
  char line[400];
  if (result != 0 || getenv("NTH_CALL_SYNCED") == NULL || fstat(fd, &status) != 0) return result;
  if (!S_ISDIR(status.st_mode)) {
    note(line, (size_t)snprintf(line, sizeof(line), "F %lu\n", (unsigned long)status.st_ino));
    return result;
  }
  snprintf(line, sizeof(line), "/proc/self/fd/%d", fd);
  DIR* folder = opendir(line);
  for (struct dirent* entry; folder != NULL && (entry = readdir(folder)) != NULL;)
    note(line, (size_t)snprintf(line, sizeof(line), "D %lu %s\n", (unsigned long)status.st_ino, entry->d_name));
  if (folder != NULL) closedir(folder);
  return result;
}

int fsync(int fd) {
  STOP(1);
  return noted(fd, REAL(fsync)(fd));
}
int fdatasync(int fd) {
  STOP(1);
  return noted(fd, REAL(fdatasync)(fd));
}
int syncfs(int fd) {
  STOP(1);
  int result = REAL(syncfs)(fd);
  if (result == 0) note("S\n", 2);
  return result;
}
CALL(0, chmod, (const char* path, mode_t mode), (path, mode))
CALL(0, fchmod, (int fd, mode_t mode), (fd, mode))

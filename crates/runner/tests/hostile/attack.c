// One attack for each name: exits with 0 if it succeeds and with 1 if it does not. "trying" is said right before what should
// fail, so that an attack that never came so far is not taken for one that failed. Absent on purpose: doing any harm. What
// would change the machine sets what is there already, or only opens what it would need.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void trying(void) {
  puts("trying");
  fflush(stdout);
}

static int verdict(long result) {
  if (result < 0) fprintf(stderr, "failed: %s\n", strerror(errno));
  return result < 0;
}

static int answered(int fd, const void *address, socklen_t length) {
  struct timeval patience = {.tv_sec = 2};
  char answer[16];
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  trying();
  if (connect(fd, address, length) < 0 || write(fd, "?", 1) < 0) return verdict(-1);
  return verdict(read(fd, answer, sizeof answer) > 0 ? 0 : -1);
}

static int inet(char **words, int type) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  inet_pton(AF_INET, words[0], &address.sin_addr);
  return answered(socket(AF_INET, type, 0), &address, sizeof address);
}
static int tcp(char **words) { return inet(words, SOCK_STREAM); }
static int udp(char **words) { return inet(words, SOCK_DGRAM); }

// A name that begins with '@' is abstract.
static int local(char **words) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(words[0]);
  memcpy(address.sun_path, words[0], length < sizeof address.sun_path ? length : sizeof address.sun_path - 1);
  if (words[0][0] == '@') address.sun_path[0] = 0;
  return answered(socket(AF_UNIX, SOCK_STREAM, 0), &address, offsetof(struct sockaddr_un, sun_path) + length);
}

// A service at the metadata address, in a network of its own, for the control.
static int with_metadata(char **words) {
  struct ifreq request = {.ifr_name = "lo"};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
  int control = -1, listener, client;
  inet_pton(AF_INET, "169.254.169.254", &address.sin_addr);
  if (unshare(CLONE_NEWNET) < 0) return verdict(-1);
  control = socket(AF_INET, SOCK_DGRAM, 0);
  memcpy(&request.ifr_addr, &address, sizeof address);
  if (ioctl(control, SIOCSIFADDR, &request) < 0) return verdict(-1);
  request.ifr_flags = IFF_UP | IFF_LOOPBACK;
  if (ioctl(control, SIOCSIFFLAGS, &request) < 0) return verdict(-1);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (void *)&address, sizeof address) < 0 || listen(listener, 1) < 0) return verdict(-1);
  if (fork() == 0) {
    execv(words[0], words);
    _exit(1);
  }
  client = accept(listener, NULL, NULL);
  if (write(client, "credentials", 11) < 0) return verdict(-1);
  return wait(&control) < 0 || control != 0;
}

static int socket_of(char **words) {
  trying();
  return verdict(socket(atoi(words[0]), atoi(words[1]), atoi(words[2])));
}

static int user_namespace(char **words) {
  (void)words;
  trying();
  return verdict(unshare(CLONE_NEWUSER));
}

static int cloned_namespace(char **words) {
  long child;
  (void)words;
  trying();
  child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  return verdict(child);
}

static int enter_namespace(char **words) {
  (void)words;
  trying();
  return verdict(setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS));
}

static int mounted(char **words) {
  // Where that may be done, the mount is seen by nobody else.
  if (unshare(CLONE_NEWNS) == 0) mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
  trying();
  return verdict(mount("none", words[0], "tmpfs", 0, NULL));
}

static int new_mount(char **words) {
  (void)words;
  trying();
  return verdict(syscall(SYS_fsopen, "tmpfs", 0));
}

static int rooted(char **words) {
  (void)words;
  trying();
  return verdict(chroot("/"));
}

static int device(char **words) {
  trying();
  return verdict(mknod(words[0], S_IFCHR | 0600, 0x103));
}

static int is_root(char **words) {
  (void)words;
  trying();
  return geteuid() != 0;
}

static int by_handle(char **words) {
  struct file_handle *handle = calloc(1, sizeof *handle + MAX_HANDLE_SZ);
  int mount_id;
  handle->handle_bytes = MAX_HANDLE_SZ;
  trying();
  if (name_to_handle_at(AT_FDCWD, words[0], handle, &mount_id, 0) < 0) return verdict(-1);
  return verdict(open_by_handle_at(open(words[0], O_RDONLY | O_DIRECTORY), handle, O_RDONLY));
}

static int read_open(char **words) {
  char byte;
  trying();
  return verdict(pread(atoi(words[0]), &byte, 1, 0));
}

static int traced(char **words) {
  (void)words;
  trying();
  return verdict(ptrace(PTRACE_TRACEME, 0, 0, 0));
}

static int memory_of(char **words) {
  char from = 'x', to = 0;
  struct iovec local = {&to, 1}, remote = {&from, 1};
  (void)words;
  trying();
  return verdict(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static int keyring(char **words) {
  (void)words;
  trying();
  return verdict(syscall(SYS_add_key, "user", "statehouse", "x", 1L, -3L));
}

static int performance(char **words) {
  struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK};
  (void)words;
  trying();
  return verdict(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static int bpf_map(char **words) {
  union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  (void)words;
  trying();
  return verdict(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static int ring(char **words) {
  struct io_uring_params parameters = {0};
  (void)words;
  trying();
  return verdict(syscall(SYS_io_uring_setup, 1, &parameters));
}

static int page_faults(char **words) {
  (void)words;
  trying();
  return verdict(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
}

// There is no such file, and who may ask is told so.
static int swap(char **words) {
  (void)words;
  trying();
  syscall(SYS_swapoff, "/no such file");
  return verdict(errno == ENOENT ? 0 : -1);
}

static int hostname(char **words) {
  char name[256];
  (void)words;
  gethostname(name, sizeof name);
  trying();
  return verdict(sethostname(name, strlen(name)));
}

static int clock_tick(char **words) {
  struct timex now = {0};
  (void)words;
  adjtimex(&now);
  struct timex same = {.modes = ADJ_TICK, .tick = now.tick ? now.tick : 10000};
  trying();
  return verdict(adjtimex(&same));
}

static int kernel_log(char **words) {
  char line[4096];
  (void)words;
  trying();
  return verdict(syscall(SYS_syslog, 3, line, sizeof line));
}

static int terminal(char **words) {
  int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
  (void)words;
  trying();
  if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || setsid() < 0) return verdict(-1);
  slave = open(ptsname(master), O_RDWR);
  if (slave < 0) return verdict(-1);
  ioctl(slave, TIOCSCTTY, 0);
  return verdict(ioctl(slave, TIOCSTI, "x"));
}

// Any file will do: whoever is let through is told that it is no terminal.
static int type_ahead(char **words) {
  (void)words;
  trying();
  ioctl(0, TIOCSTI, "x");
  return verdict(errno == ENOTTY ? 0 : -1);
}

static int processes(char **words) {
  int wanted = atoi(words[0]), made = 0;
  trying();
  for (; made < wanted; made++) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      sleep(5);
      _exit(0);
    }
  }
  return verdict(made < wanted ? -1 : 0);
}

static int memory(char **words) {
  size_t bytes = (size_t)atoi(words[0]) << 20;
  // What nobody reads, a compiler does not write.
  volatile char *taken = malloc(bytes);
  trying();
  if (!taken) return verdict(-1);
  for (size_t i = 0; i < bytes; i += 4096) taken[i] = 1;
  return 0;
}

static int files(char **words) {
  int wanted = atoi(words[0]);
  trying();
  while (wanted-- > 0)
    if (open("/dev/null", O_RDONLY) < 0) return verdict(-1);
  return 0;
}

static int busy(char **words) {
  clock_t end = clock() + atoi(words[0]) * CLOCKS_PER_SEC / 10;
  trying();
  while (clock() < end) {}
  return 0;
}

// A daemon as in the books: a session of its own, and nobody for a parent. Its name is what a test looks for.
static int linger(char **words) {
  trying();
  if (fork() == 0) {
    setsid();
    signal(SIGHUP, SIG_IGN);
    if (fork() == 0) {
      close(0), close(1), close(2);
      execl("/bin/sleep", "sleep", words[0], NULL);
      _exit(1);
    }
    _exit(0);
  }
  wait(NULL);
  return 0;
}

static int share_memory(char **words) { return verdict(shmget(atoi(words[0]), 4096, IPC_CREAT | 0666)); }
static int unshare_memory(char **words) { return verdict(shmctl(shmget(atoi(words[0]), 0, 0), IPC_RMID, NULL)); }
static int find_memory(char **words) {
  trying();
  return verdict(shmget(atoi(words[0]), 0, 0));
}

static void *idle(void *nothing) { return nothing; }
static int thread(char **words) {
  pthread_t made;
  (void)words;
  trying();
  errno = pthread_create(&made, NULL, idle, NULL);
  return errno ? verdict(-1) : pthread_join(made, NULL) != 0;
}

static const struct { const char *name; int (*attack)(char **); } attacks[] = {
    {"tcp", tcp}, {"udp", udp}, {"local", local}, {"with-metadata", with_metadata}, {"socket", socket_of},
    {"user-namespace", user_namespace}, {"cloned-namespace", cloned_namespace}, {"enter-namespace", enter_namespace},
    {"mount", mounted}, {"new-mount", new_mount}, {"chroot", rooted}, {"device", device}, {"is-root", is_root},
    {"by-handle", by_handle}, {"read-open", read_open}, {"traced", traced}, {"memory-of", memory_of}, {"keyring", keyring}, {"performance", performance},
    {"bpf", bpf_map}, {"ring", ring}, {"page-faults", page_faults}, {"swap", swap}, {"hostname", hostname},
    {"clock", clock_tick}, {"kernel-log", kernel_log}, {"terminal", terminal}, {"type-ahead", type_ahead},
    {"processes", processes}, {"memory", memory}, {"files", files}, {"busy", busy}, {"linger", linger},
    {"share-memory", share_memory}, {"unshare-memory", unshare_memory}, {"find-memory", find_memory}, {"thread", thread},
};

#ifdef FORCED
// In every program that is told to load it, before that begins.
__attribute__((constructor)) static void forced(void) {
  puts(syscall(SYS_add_key, "user", "statehouse", "x", 1L, -3L) < 0 ? "restricted" : "free");
  fflush(stdout);
}
#endif

int main(int count, char **words) {
  // Nobody is harmed by an argument that is missing.
  char *given[4] = {"", "", "", ""};
  for (int i = 2; i < count && i < 6; i++) given[i - 2] = words[i];
  for (size_t i = 0; count > 1 && i < sizeof attacks / sizeof *attacks; i++)
    if (!strcmp(attacks[i].name, words[1])) return attacks[i].attack(strcmp(words[1], "with-metadata") ? given : words + 2);
  return 2;
}

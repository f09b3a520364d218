/* Calls a server as fast as it answers (closed loop), or at instants drawn beforehand (open loop), with requests from a
   tape, and writes a log of every call. bench/caller.py starts it, bench/tape.py writes the tape and reads the log. */

#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

enum { READ_ROOM = 1 << 18, EVENTS = 64, WAIT_MS = 10, DRAIN_S = 10 };

static struct {
    const char *address, *tape, *log;
    int connections, concurrent;
    double warm_s, for_s, rate;
    long seed;
    bool http1, cycle;
} options = {.connections = 1, .concurrent = 1, .warm_s = 0.5, .for_s = 2, .seed = 1};

static struct {
    const uint8_t *start;
    const struct method *methods;
    const struct record *records;
    uint32_t count, next;
} tape;

static struct {
    struct entry *entries;
    size_t count, room;
} calls_log;

static struct connection *connections;
static struct call **idle; /* a ring, so that calls go round the connections */
static size_t idle_first, idle_count, calls_count;
static int poll_fd, timer_fd;
static int64_t begin_ns, stop_ns, due_ns, measured_ns; /* begin: of the measured time */
static bool stopped;

_Noreturn void fail(const char *what, const char *next) {
    fprintf(stderr, "load: %s; %s\n", what, next);
    exit(2);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static long long own_cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void read_options(int count, char **words) {
    static const struct option known[] = {
        {"address", 1, 0, 'a'}, {"tape", 1, 0, 't'},  {"log", 1, 0, 'l'},  {"connections", 1, 0, 'c'},
        {"concurrent", 1, 0, 'n'}, {"warm-s", 1, 0, 'w'}, {"for-s", 1, 0, 'f'}, {"rate", 1, 0, 'r'},
        {"seed", 1, 0, 's'},    {"http1", 0, 0, 'h'}, {"cycle", 0, 0, 'y'}, {0}};
    for (int letter; (letter = getopt_long(count, words, "", known, NULL)) != -1;) {
        switch (letter) {
            case 'a': options.address = optarg; break;
            case 't': options.tape = optarg; break;
            case 'l': options.log = optarg; break;
            case 'c': options.connections = atoi(optarg); break;
            case 'n': options.concurrent = atoi(optarg); break;
            case 'w': options.warm_s = atof(optarg); break;
            case 'f': options.for_s = atof(optarg); break;
            case 'r': options.rate = atof(optarg); break;
            case 's': options.seed = atol(optarg); break;
            case 'h': options.http1 = true; break;
            case 'y': options.cycle = true; break;
            default: fail("an option is unknown", "see bench/caller.py for those that there are");
        }
    }
    if (!options.address || !options.tape || !options.log) fail("--address, --tape or --log is missing", "give all three");
    if (options.connections < 1 || options.concurrent < options.connections ||
        options.concurrent % options.connections || (options.http1 && options.concurrent != options.connections)) {
        fail("--concurrent must be a multiple of --connections, and with --http1 the same", "give other numbers");
    }
}

static void open_tape(void) {
    struct stat about;
    int file = open(options.tape, O_RDONLY);
    if (file < 0 || fstat(file, &about) < 0) fail("the tape cannot be opened", "give the path of one");
    tape.start = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (tape.start == MAP_FAILED || memcmp(tape.start, "SLTAPE1", 8) != 0) fail("the tape is none", "write it anew");
    close(file);
    const uint32_t *counts = (const uint32_t *)(tape.start + 8);
    tape.methods = (const struct method *)(tape.start + 24);
    tape.records = (const struct record *)(tape.start + counts[2]);
    tape.count = counts[1];
}

static int connect_to(const char *address) {
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL) fail("--address has no port", "write HOST:PORT");
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    struct addrinfo *found, wanted = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, colon + 1, &wanted, &found) != 0) fail("the host is unknown", "check --address");
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0) fail("nobody listens there", "start the server");
    freeaddrinfo(found);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void watch(struct connection *connection, int how, bool writable) {
    struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(poll_fd, how, connection->fd, &event);
    connection->waits_to_write = writable;
}

bool write_out(struct connection *connection) {
    while (connection->out_sent < connection->out_length) {
        ssize_t count = write(connection->fd, connection->out + connection->out_sent,
                              connection->out_length - connection->out_sent);
        if (count < 0 && errno == EAGAIN) {
            if (!connection->waits_to_write) watch(connection, EPOLL_CTL_MOD, true);
            return true;
        }
        if (count <= 0) return false;
        connection->out_sent += (size_t)count;
    }
    connection->out_sent = connection->out_length = 0;
    if (connection->waits_to_write) watch(connection, EPOLL_CTL_MOD, false);
    return true;
}

static void open_connections(void) {
    int each = options.concurrent / options.connections;
    connections = calloc((size_t)options.connections, sizeof *connections);
    idle = calloc((size_t)options.concurrent, sizeof *idle);
    calls_count = (size_t)options.concurrent;
    for (int number = 0; number < options.connections; number++) {
        struct connection *connection = &connections[number];
        connection->authority = strdup(options.address);
        connection->fd = connect_to(options.address);
        connection->calls = calloc((size_t)each, sizeof *connection->calls);
        connection->calls_max = each;
        watch(connection, EPOLL_CTL_ADD, false);
        if (!options.http1 && !h2_open(connection)) fail("the server does not speak HTTP/2", "check --address");
    }
    for (size_t number = 0; number < calls_count; number++) {
        struct connection *connection = &connections[number % (size_t)options.connections];
        idle[number] = &connection->calls[number / (size_t)options.connections];
        idle[number]->connection = connection;
    }
    idle_count = calls_count;
}

static void start(struct call *call, uint32_t number, int64_t due) {
    const struct record *record = &tape.records[number];
    char lease[TEXT_MAX];
    uint8_t lease_length = call->entry.text_length;
    memcpy(lease, call->entry.text, lease_length);
    call->entry = (struct entry){.record = number, .code = CODE_LOST, .due_ns = due - begin_ns};
    call->method = &tape.methods[record->method];
    call->request_length = call->answer_length = 0;
    append(&call->request, &call->request_length, &call->request_room, tape.start + record->offset, record->length);
    if (record->is_chained) (options.http1 ? h1_chain : h2_chain)(call, lease, lease_length);
    call->is_busy = true;
    call->connection->calls_busy++;
    if (call->connection->is_lost || !(options.http1 ? h1_send : h2_send)(call)) call->connection->is_lost = true;
}

/* The number of the next request that follows no other; false at the end of the tape. */
static bool take_record(uint32_t *number) {
    while (tape.next < tape.count && tape.records[tape.next].is_chained) tape.next++;
    if (tape.next == tape.count && options.cycle) tape.next = 0;
    if (tape.next == tape.count) return false;
    *number = tape.next++;
    return true;
}

static struct call *take_idle(void) {
    while (idle_count > 0) {
        struct call *call = idle[idle_first];
        idle_first = (idle_first + 1) % calls_count;
        idle_count--;
        if (!call->connection->is_lost) return call;
    }
    return NULL;
}

static void stop(int64_t now) {
    if (stopped) return;
    stopped = true;
    measured_ns = now - begin_ns;
}

static void start_what_is_due(int64_t now) {
    uint32_t number;
    while (!stopped && idle_count > 0 && (options.rate == 0 || due_ns <= now)) {
        struct call *call = take_idle();
        if (call == NULL) return;
        if (!take_record(&number)) {
            stop(now);
            return;
        }
        start(call, number, options.rate == 0 ? now : due_ns);
        if (options.rate > 0) due_ns += (int64_t)(-log(1 - drand48()) / options.rate * NS_PER_S);
    }
}

void call_ended(struct call *call) {
    int64_t now = now_ns();
    uint32_t next = call->entry.record + 1;
    call->is_busy = false;
    call->connection->calls_busy--;
    call->entry.end_ns = now - begin_ns;
    if (calls_log.count == calls_log.room) {
        calls_log.room = calls_log.room ? calls_log.room * 2 : 1 << 16;
        calls_log.entries = realloc(calls_log.entries, calls_log.room * sizeof *calls_log.entries);
        if (calls_log.entries == NULL) fail("there is no memory left", "measure for a shorter time");
    }
    calls_log.entries[calls_log.count++] = call->entry;
    if (next < tape.count && tape.records[next].is_chained && call->entry.told == 'i' && !call->connection->is_lost) {
        start(call, next, now);
        return;
    }
    idle[(idle_first + idle_count++) % calls_count] = call;
    if (options.rate == 0 && !call->connection->is_lost) start_what_is_due(now);
}

static void lose(struct connection *connection) {
    connection->is_lost = true;
    epoll_ctl(poll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    connection->fd = -1;
    for (int number = 0; number < connection->calls_max; number++) {
        if (connection->calls[number].is_busy) call_ended(&connection->calls[number]);
    }
}

static void receive(struct connection *connection) {
    static uint8_t buffer[READ_ROOM];
    ssize_t count = read(connection->fd, buffer, sizeof buffer);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || !(options.http1 ? h1_receive : h2_receive)(connection, buffer, (size_t)count)) lose(connection);
}

static void arm_timer(void) {
    struct itimerspec when = {.it_value = {due_ns / NS_PER_S, due_ns % NS_PER_S}};
    /* With nobody idle, what is due waits for an answer and not for the clock. */
    if (options.rate == 0 || stopped || idle_count == 0) when = (struct itimerspec){0};
    if (options.rate > 0) timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void flush_all(void) {
    for (int number = 0; number < options.connections; number++) {
        struct connection *connection = &connections[number];
        if (connection->fd < 0) continue;
        if (connection->is_lost || (connection->is_dirty && !h2_flush(connection))) lose(connection);
    }
}

static bool all_is_done(int64_t now) {
    bool busy = false, alive = false;
    for (int number = 0; number < options.connections; number++) {
        busy |= connections[number].calls_busy > 0;
        alive |= connections[number].fd >= 0;
    }
    if (!alive) stop(now);
    return stopped && (!busy || now > begin_ns + measured_ns + DRAIN_S * NS_PER_S);
}

static void tell_measured(long long before_us, long long *spent_us) {
    *spent_us = own_cpu_us() - before_us;
    puts("measured");
    fflush(stdout);
}

static void run(void) {
    struct epoll_event events[EVENTS];
    long long cpu_us = 0, spent_us = 0;
    bool measuring = false, told = false;
    int64_t now = now_ns();
    begin_ns = now + (int64_t)(options.warm_s * NS_PER_S);
    stop_ns = begin_ns + (int64_t)(options.for_s * NS_PER_S);
    due_ns = now;
    start_what_is_due(now);
    while (!all_is_done(now)) {
        flush_all();
        arm_timer();
        int count = epoll_wait(poll_fd, events, EVENTS, WAIT_MS);
        for (int number = 0; number < count; number++) {
            struct connection *connection = events[number].data.ptr;
            if (connection == NULL) {
                uint64_t times;
                if (read(timer_fd, &times, sizeof times) < 0) continue;
            } else if (connection->fd >= 0) {
                if (events[number].events & EPOLLOUT && !write_out(connection)) lose(connection);
                else if (events[number].events & ~(uint32_t)EPOLLOUT) receive(connection);
            }
        }
        now = now_ns();
        if (!measuring && now >= begin_ns) {
            measuring = true;
            cpu_us = own_cpu_us();
            puts("measuring");
            fflush(stdout);
        }
        if (now >= stop_ns) stop(now);
        start_what_is_due(now);
        if (stopped && !told) {
            told = true;
            tell_measured(cpu_us, &spent_us);
        }
    }
    if (!told) tell_measured(cpu_us, &spent_us);
    printf("{\"cpu_us\": %lld, \"measured_ns\": %lld}\n", spent_us, (long long)measured_ns);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    read_options(count, words);
    srand48(options.seed);
    open_tape();
    poll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &timer);
    open_connections();
    run();
    FILE *file = fopen(options.log, "wb");
    if (file == NULL || fwrite(calls_log.entries, sizeof *calls_log.entries, calls_log.count, file) != calls_log.count ||
        fclose(file) != 0) {
        fail("the log cannot be written", "check the path and the disk");
    }
    return 0;
}

/* A server that answers every call with the same bytes: what is left is what the load generator itself costs.
   Prints its port. Speaks HTTP/2 without TLS, ends with its parent's input. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READ_ROOM = 1 << 18, EVENTS = 64, ANSWER = 257, WINDOW = 1 << 30 };

struct guest {
    int fd;
    nghttp2_session *session;
};

/* A CreateLeaseResponse as gRPC frames it: a lease whose lease_id has 44 letters, and as much besides as a slot takes. */
static uint8_t answer[ANSWER] = {0, 0, 0, 0, ANSWER - 5, 0x0a, ANSWER - 5 - 3, 0x01, 0x0a, 44};

static nghttp2_nv header(const char *name, const char *value) {
    nghttp2_nv pair = {(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
    return pair;
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *context) {
    (void)source, (void)context, (void)room;
    nghttp2_nv trailer = header("grpc-status", "0");
    memcpy(buffer, answer, ANSWER);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, &trailer, 1);
    return ANSWER;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)context;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || frame->hd.type > NGHTTP2_HEADERS) return 0;
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc")};
    nghttp2_data_provider body = {{0}, read_answer};
    return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &body);
}

static bool flush(struct guest *guest) {
    const uint8_t *data;
    ssize_t count;
    static uint8_t out[1 << 22];
    size_t length = 0;
    while ((count = nghttp2_session_mem_send(guest->session, &data)) > 0) {
        if (length + (size_t)count > sizeof out) return false;
        memcpy(out + length, data, (size_t)count);
        length += (size_t)count;
    }
    for (size_t sent = 0; sent < length;) {
        ssize_t wrote = write(guest->fd, out + sent, length - sent);
        if (wrote < 0 && errno != EAGAIN) return false;
        if (wrote > 0) sent += (size_t)wrote;
    }
    return count == 0;
}

static void welcome(int listener, int poll_fd, nghttp2_session_callbacks *callbacks) {
    struct guest *guest = calloc(1, sizeof *guest);
    guest->fd = accept(listener, NULL, NULL);
    setsockopt(guest->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(guest->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_server_new(&guest->session, callbacks, guest);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
    nghttp2_submit_settings(guest->session, NGHTTP2_FLAG_NONE, settings, 1);
    nghttp2_session_set_local_window_size(guest->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = guest};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, guest->fd, &event);
    flush(guest);
}

static void serve(struct guest *guest) {
    static uint8_t buffer[READ_ROOM];
    ssize_t count = read(guest->fd, buffer, sizeof buffer);
    if (count < 0 && errno == EAGAIN) return;
    if (count > 0 && nghttp2_session_mem_recv(guest->session, buffer, (size_t)count) == count && flush(guest)) return;
    close(guest->fd);
    nghttp2_session_del(guest->session);
    free(guest);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    memset(answer + 10, 'l', 44);
    answer[54] = 0x12, answer[55] = ANSWER - 57, answer[56] = 0x01;
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll_fd = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 128) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
        fprintf(stderr, "sink: no port can be had; end another program\n");
        return 2;
    }
    printf("127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    struct epoll_event parent = {.events = EPOLLIN, .data.ptr = answer};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &parent);
    for (;;) {
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int number = 0; number < count; number++) {
            if (events[number].data.ptr == answer) return 0;
            if (events[number].data.ptr == NULL) welcome(listener, poll_fd, callbacks);
            else serve(events[number].data.ptr);
        }
    }
}

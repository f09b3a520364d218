/* JSON over HTTP/1.1 with connections that stay open, one call on each at a time. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"

bool h1_send(struct call *call) {
    struct connection *connection = call->connection;
    char head[512];
    int length = snprintf(head, sizeof head,
                          "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                          call->method->path, connection->authority, call->request_length);
    append(&connection->out, &connection->out_length, &connection->out_room, head, (size_t)length);
    append(&connection->out, &connection->out_length, &connection->out_room, call->request, call->request_length);
    return write_out(connection);
}

/* Whether the answer is there in whole; then the call has its code, and its body alone is left. */
static bool is_whole(struct call *call) {
    append(&call->answer, &call->answer_length, &call->answer_room, "", 1);
    call->answer_length--;
    char *head = (char *)call->answer, *body = strstr(head, "\r\n\r\n");
    if (body == NULL) return false;
    body += 4;
    size_t length = 0;
    for (char *line = strstr(head, "\r\n"); line != NULL && line < body - 4; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) length = strtoul(line + 17, NULL, 10);
    }
    size_t head_length = (size_t)(body - head);
    if (call->answer_length < head_length + length) return false;
    call->entry.code = (uint16_t)atoi(head + 9);
    memmove(call->answer, body, length);
    call->answer_length = length;
    return true;
}

bool h1_receive(struct connection *connection, const uint8_t *data, size_t length) {
    struct call *call = &connection->calls[0];
    if (!call->is_busy) return false;
    append(&call->answer, &call->answer_length, &call->answer_room, data, length);
    if (is_whole(call)) {
        read_json_answer(call);
        call_ended(call);
    }
    return true;
}

/* What was prepared is a whole object: its last brace gives way to one more member. */
void h1_chain(struct call *call, const char *id, size_t id_length) {
    char behind[TEXT_MAX + 32];
    int length = snprintf(behind, sizeof behind, ",\"lease_ref\":{\"lease_id\":\"%.*s\"}}", (int)id_length, id);
    call->request_length--;
    append(&call->request, &call->request_length, &call->request_room, behind, (size_t)length);
}

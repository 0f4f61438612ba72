/* Messages come from a broker that others write to. What is accepted holds valid ids and options,
 * and survives being written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "jobs/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void write_and_read(const struct job_message *m)
{
    struct job j;
    struct job_message again;
    job_init(&j, m->username);
    memcpy(j.id, m->video_fid, ID_SIZE);
    memcpy(j.video_fid, m->video_fid, ID_SIZE);
    memcpy(j.mp3_fid, m->mp3_fid, ID_SIZE);
    memcpy(j.traceparent, m->traceparent, TRACEPARENT_SIZE);
    j.request = m->request;
    j.state = m->state;
    char *text = job_message_mp3(&j);
    require(job_message_parse(text, strlen(text), &again, NULL) == OK);
    require(strcmp(again.username, m->username) == 0);
    require(strcmp(again.mp3_fid, m->mp3_fid) == 0);
    require(memcmp(&again.request, &m->request, sizeof(again.request)) == 0);
    require(again.state == m->state);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job_message m;
    struct error e;
    if (job_message_parse(data, size, &m, &e) != OK) {
        require(e.code == ERR_INVALID);
        return 0;
    }
    require(size <= JOB_MESSAGE_MAX);
    require(id_is_valid(m.video_fid));
    require(m.mp3_fid[0] == '\0' || id_is_valid(m.mp3_fid));
    require(m.job_id[0] == '\0' || id_is_valid(m.job_id));
    require(m.username[0] != '\0' && text_is_utf8(m.username, strlen(m.username)));
    require(job_request_settle(&m.request, NULL) == OK);
    write_and_read(&m);
    return 0;
}

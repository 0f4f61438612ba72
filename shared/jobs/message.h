/* The messages of DESIGN section 3: a superset of the Python tutorial's. 16 KiB at most, version 1.
 */
#ifndef UNREEL_JOBS_MESSAGE_H
#define UNREEL_JOBS_MESSAGE_H

#include "core/error.h"
#include "jobs/job.h"

#define JOB_MESSAGE_MAX 16384
#define JOB_QUEUE_VIDEO "video"
#define JOB_QUEUE_MP3 "mp3"

/* What either message says. job_id is the job's id; "" in a foreign message, whose video_fid is the
 * job's id. */
struct job_message {
    int version; /* 0: a foreign message without one */
    char job_id[ID_SIZE];
    char video_fid[ID_SIZE];
    char mp3_fid[ID_SIZE]; /* "" for null */
    char username[JOB_OWNER_SIZE];
    enum job_state state; /* mp3 queue; JOB_SUCCEEDED when a foreign message gives none */
    struct job_request request;
    char traceparent[TRACEPARENT_SIZE]; /* "" */
};

/* The JSON text for queue "video" or "mp3" of this job. The caller frees it. */
char *job_message_video(const struct job *j) MUST_CHECK;
char *job_message_mp3(const struct job *j) MUST_CHECK;
/* The event's body (the user's job object, in which input.chapters, then outputs, then input.tracks
 * are null where it would be larger than JOB_MESSAGE_MAX) and its routing key "job.queued",
 * "job.running", "job.progress", ... */
char *job_event_body(const struct job *j) MUST_CHECK;
/* Strict about types and sizes, lenient about unknown members. ERR_INVALID: dead-letter it. A
 * version above 1 is ERR_INVALID. */
enum err job_message_parse(const void *bytes, size_t len, struct job_message *ret_message,
                           struct error *e) MUST_CHECK;

#endif

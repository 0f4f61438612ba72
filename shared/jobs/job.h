/* The job record: a plain value without pointers, copied by assignment. DESIGN section 3. Times are
 * wall-clock ms, 0 = null. */
#ifndef UNREEL_JOBS_JOB_H
#define UNREEL_JOBS_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/id.h"
#include "core/problem.h"
#include "core/trace.h"
#include "core/version.h"
#include "jobs/request.h"

#define JOB_OWNER_SIZE 255
#define JOB_USER_ID_SIZE 64
#define JOB_TAG_SIZE 129
#define JOB_FILENAME_SIZE 256
#define JOB_DETAIL_SIZE 256
#define JOB_WEBHOOK_SIZE 1025
#define JOB_IDEMPOTENCY_SIZE 129
#define JOB_TRACKS_MAX 32
#define JOB_CHAPTERS_MAX 64
#define JOB_OUTPUTS_MAX 64
#define JOB_TITLE_SIZE 96
#define JOB_MESSAGE_ID_SIZE 64
#define JOB_OUTPUT_NAME_SIZE 400 /* a file's name, " - 64 ", a chapter's title, ".mp3" */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED, JOB_STATE_MAX };

enum job_kind {
    JOB_CONVERT,
    JOB_PROBE, /* its input is all that is wanted: no outputs, and no mail about it */
    JOB_KIND_MAX
};

enum job_phase {
    JOB_PHASE_NONE,
    JOB_PHASE_PROBING,
    JOB_PHASE_TRANSCODING,
    JOB_PHASE_STORING,
    JOB_PHASE_MAX
};

struct job_progress {
    double media_time_s;
    double duration_s; /* 0 when unknown */
    double percent;    /* 0..100 */
    double speed;      /* media seconds per second */
    double eta_s;
    int64_t seq; /* counts changes */
};

struct job_track {
    int index;
    char codec[32];
    char language[16];
    int channels;
    int sample_rate_hz;
    bool is_default;
};

struct job_chapter {
    int64_t start_ms, end_ms;
    char title[JOB_TITLE_SIZE]; /* UTF-8; "": it has none */
};

struct job_input {
    char container[64];
    double duration_s;
    int64_t bytes_read; /* of the file, by the last attempt: containers let some of it be skipped */
    int track_count;
    struct job_track tracks[JOB_TRACKS_MAX];
    int chapter_count; /* the first of them */
    struct job_chapter chapters[JOB_CHAPTERS_MAX];
};

/* EBU R128, of the sound as it went into the MP3. */
struct job_loudness_report {
    bool is_measured;
    double integrated_lufs;
    double true_peak_dbtp;
    double range_lu;
    double gain_db; /* that was applied; 0 unless normalized */
};

struct job_output {
    char fid[ID_SIZE];
    int64_t size_bytes;
    double duration_s;
    char mode[8];     /* cbr, vbr, abr; copy: the source's own frames */
    int bitrate_kbps; /* average */
    int sample_rate_hz;
    int channels;
    int track;   /* of the input: job_track.index */
    int chapter; /* counted from 1; 0: it is not one chapter */
    char sha256[65];
    struct job_loudness_report loudness;
};

struct job_error {
    enum problem problem; /* PROBLEM_NONE: null */
    char detail[JOB_DETAIL_SIZE];
    bool retryable;
};

/* What is still to be told about a job that has ended; kept in the record so that no broker can
 * lose it. */
struct job_notice {
    int64_t due_at_ms; /* 0: nothing to do (or given up) */
    int attempts;
    int64_t sent_at_ms; /* 0: not sent */
};

struct job {
    char id[ID_SIZE];
    char owner[JOB_OWNER_SIZE];     /* e-mail address */
    char user_id[JOB_USER_ID_SIZE]; /* of the owner's account, for the log; "" when unknown */
    char tag[JOB_TAG_SIZE];
    enum job_kind kind;
    enum job_state state;
    enum job_phase phase;
    int attempt;  /* counts claims, but for those that were given back without a failure */
    int claims;   /* counts them all: the fencing token */
    int failures; /* attempts that failed for a transient cause */
    char converter_version[VERSION_SIZE]; /* who claimed it last; "" */
    char message_id[JOB_MESSAGE_ID_SIZE]; /* of the message it was claimed by last; "" */
    struct job_request request;
    char filename[JOB_FILENAME_SIZE];
    int64_t size_bytes;
    char sha256[65];
    char video_fid[ID_SIZE]; /* = id, but for a retry or a probe that shares another's */
    char cover_fid[ID_SIZE]; /* a picture that came with the upload, among the videos; "" */
    char mp3_fid[ID_SIZE];   /* of the first output; "" until succeeded, and of a probe */
    char retry_of[ID_SIZE];  /* "" */
    /* Succeeded: whose MP3s these are, when it was answered with another's instead of a
     * conversion; "". Queued: it is about to be (jobs_create_same). */
    char same_as[ID_SIZE];
    struct job_progress progress;
    struct job_input input;
    int output_count;
    struct job_output outputs[JOB_OUTPUTS_MAX];
    struct job_error error;
    int64_t created_at_ms; /* when its upload began */
    int64_t queued_at_ms;  /* the last time: by its upload's end, or given back */
    int64_t started_at_ms, finished_at_ms, expires_at_ms;
    int64_t lease_until_ms; /* while running */
    int64_t run_at_ms;      /* while queued: not before */
    bool published;         /* while queued: the broker confirmed its message */
    int64_t published_at_ms;
    bool announced; /* once final: the mp3 message was confirmed */
    struct job_notice email, webhook;
    char webhook_url[JOB_WEBHOOK_SIZE];         /* "" */
    char idempotency_key[JOB_IDEMPOTENCY_SIZE]; /* "" */
    char traceparent[TRACEPARENT_SIZE];
    int64_t rev; /* counts changes of the record: what compare-and-set compares */
};

/* A queued job with an id, created and queued now, everything else zero and its options the
 * defaults. */
void job_init(struct job *j, const char *owner);
bool job_is_final(const struct job *j);
const char *job_state_name(enum job_state s);
/* JOB_STATE_MAX when unknown. */
enum job_state job_state_from_name(const char *name);
const char *job_kind_name(enum job_kind k);
/* JOB_KIND_MAX when unknown. */
enum job_kind job_kind_from_name(const char *name);
const char *job_phase_name(enum job_phase p);

/* What outputs[index] is called where it is stored as a file: as the upload, with ".mp3"; further
 * ones "clip-2.mp3", a chapter "clip - 03 Title.mp3". Safe as text_clean_filename makes it. */
void job_output_name(const struct job *j, int index, char ret_name[JOB_OUTPUT_NAME_SIZE]);

/* The object that users see (DESIGN section 3, features.md 3.4: flat, always present, null when
 * unknown), with `links`. The caller owns it. */
json_t *job_to_json(const struct job *j) MUST_CHECK;
/* Its member `input`: null before anything is known. The caller owns it. */
json_t *job_input_to_json(const struct job_input *input) MUST_CHECK;
/* Everything, for the store; and back. job_from_record ignores members that it does not know. */
json_t *job_to_record(const struct job *j) MUST_CHECK;
enum err job_from_record(const json_t *record, struct job *ret_job, struct error *e) MUST_CHECK;

/* The calling thread's log lines are about this job from here on: its trace, id, account, attempt.
 * log_context(NULL, NULL) ends it. */
void job_log_context(const struct job *job);

#endif

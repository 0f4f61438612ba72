/* What evil_child does: the job's `threads` tells it. */
#ifndef UNREEL_TEST_EVIL_CHILD_H
#define UNREEL_TEST_EVIL_CHILD_H

enum evil {
    EVIL_COPY = 1, /* none at all: copies its input, with a tag, and its head once more */
    EVIL_SILENT_EXIT,
    EVIL_EXIT_3,
    EVIL_GARBAGE,
    EVIL_READ_NEGATIVE,
    EVIL_READ_MANY,
    EVIL_FLOOD_OUTPUT,
    EVIL_HANG,
    EVIL_BAD_TEXT,
    EVIL_FAIL_CORRUPT,
    EVIL_WRONG_COUNT,
    EVIL_SEGV,
    EVIL_SIGSYS,
    EVIL_SIGKILL,
    EVIL_SIGXCPU,
    EVIL_LOG_FLOOD,
    EVIL_FRAME_AFTER_DONE,
    EVIL_PROGRESS_BACK,
    EVIL_NEVER_READS,
    EVIL_LOOK_AROUND, /* fails with what it sees: descriptors, environment */
    EVIL_CLOSES_ALL,
    EVIL_READ_COVER, /* when there is none */
    EVIL_PIECE_AHEAD,
    EVIL_PIECE_OVER_THE_END,
    EVIL_PIECE_AFTER_ITS_END,
    EVIL_PIECE_NUMBER,
    EVIL_PIECES_PATCHED_FOR_EVER,
    EVIL_PIECE_WITHOUT_END,
    EVIL_PIECES_ANEW_FOR_EVER,
    EVIL_EXIT_NO_MEMORY,
    EVIL_MAX
};

#endif

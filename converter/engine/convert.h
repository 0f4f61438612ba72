/* One conversion: from START to DONE or FAILED. */
#ifndef UNREEL_CONVERTER_ENGINE_CONVERT_H
#define UNREEL_CONVERTER_ENGINE_CONVERT_H

#include "channel.h"
#include "core/error.h"
#include "crew.h"
#include "engine/protocol.h"

/* OK: the parent was told how it ended. ERR_CANCELLED: the parent is gone. */
enum err convert_run(const struct channel *channel, const struct protocol_start *start,
                     struct crew *crew) MUST_CHECK;

#endif

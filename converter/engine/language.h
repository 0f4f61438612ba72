/* Names of languages: de, deu, ger and de-DE are one. */
#ifndef UNREEL_CONVERTER_ENGINE_LANGUAGE_H
#define UNREEL_CONVERTER_ENGINE_LANGUAGE_H

#include <stdbool.h>

/* Whether the wanted language is among those listed (one, or several with commas, as MPEG-TS tells
 * them). Each is a code of ISO 639-1 or 639-2 in any case, with a region or not; where both name a
 * region it must be the same: pt finds pt-BR, and pt-BR finds por, but not pt-PT. */
bool language_matches(const char *wanted, const char *listed);

#endif

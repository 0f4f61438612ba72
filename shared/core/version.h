/* Which build this is. */
#ifndef UNREEL_CORE_VERSION_H
#define UNREEL_CORE_VERSION_H

#define VERSION_SIZE 64

/* Less than VERSION_SIZE letters, digits, dots, dashes and underscores: what the build was told,
 * else what git says of the sources, else the project's version. */
const char *version_text(void);

#endif

/* What the two files of the MySQL engine share. */
#ifndef UNREEL_ACCOUNTS_ACCOUNTS_MYSQL_H
#define UNREEL_ACCOUNTS_ACCOUNTS_MYSQL_H

#include "core/error.h"

extern const char *const accounts_mysql_migrations[];

/* The number of migrations this program knows. */
int accounts_mysql_newest(void);
enum err accounts_mysql_migrate(const char *url, int *ret_applied, struct error *e) MUST_CHECK;

#endif

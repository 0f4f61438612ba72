/* What deed_child does once it is locked in: its input's first word tells it. */
#ifndef UNREEL_TEST_DEED_CHILD_H
#define UNREEL_TEST_DEED_CHILD_H

#define DEED_NAME_SIZE 32
/* Before the name: the deed is done by a thread of the crew. */
#define DEED_ON_A_THREAD '+'
/* Its own limit, instead of the minute and more that a job has. */
#define DEED_CPU_S 1

#endif

/* SPDX-License-Identifier: MIT
 * The queue of bytes that goes on in a file.
 */
#include "kernel/spill.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1000, MANY = 3000 };

/* Byte number i of all that is ever put in. */
static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static size_t put(kernel_spill *s, size_t at, int pieces)
{
    char piece[PIECE];
    for (int p = 0; p < pieces; p++) {
        for (size_t i = 0; i < PIECE; i++) {
            piece[i] = byte_at(at++);
        }
        kernel_spill_add(s, piece, PIECE);
    }
    return at;
}

/* Takes at most `most` bytes; counts wrong ones. */
static size_t get(kernel_spill *s, size_t at, size_t most, int *wrong)
{
    size_t size;
    while (most) {
        const char *data = kernel_spill_peek(s, &size);
        size = size < most ? size : most;
        if (!size) {
            break;
        }
        for (size_t i = 0; i < size; i++) {
            *wrong += data[i] != byte_at(at + i);
        }
        kernel_spill_drop(s, size);
        at += size;
        most -= size;
    }
    return at;
}

CASE(bytes_come_out_as_they_went_in_through_the_file)
{
    kernel_spill s = {0};
    int wrong = 0;
    size_t in = put(&s, 0, MANY);
    CHECK_INT(kernel_spill_bytes(&s), MANY * PIECE);
    CHECK(kernel_spill_on_disk(&s) > MANY * PIECE - KERNEL_SPILL_ROOM - PIECE);
    CHECK(s.head.capacity <= 2 * KERNEL_SPILL_ROOM && !s.tail.capacity);
    CHECK_INT(get(&s, 0, (size_t)-1, &wrong), in);
    CHECK_INT(wrong, 0);
    CHECK_INT(kernel_spill_bytes(&s), 0);
    kernel_spill_close(&s);
}

CASE(it_can_be_filled_while_it_is_emptied)
{
    kernel_spill s = {0};
    int wrong = 0;
    size_t in = 0, out = 0;
    for (int i = 0; i < 500; i++) {
        in = put(&s, in, 1 + i % 13);
        out = get(&s, out, (size_t)(i % 9) * 700, &wrong);
        CHECK_INT(kernel_spill_bytes(&s), in - out);
    }
    CHECK(kernel_spill_on_disk(&s) > 0);
    CHECK_INT(get(&s, out, (size_t)-1, &wrong), in);
    CHECK_INT(wrong, 0);
    struct stat file;
    CHECK(fstat(s.fd, &file) == 0);
    CHECK_INT(file.st_size, 0);
    kernel_spill_close(&s);
}

CASE(the_file_gives_back_what_was_read)
{
    kernel_spill s = {0};
    int wrong = 0;
    struct stat before, after;
    put(&s, 0, 60000);
    CHECK(fstat(s.fd, &before) == 0);
    get(&s, 0, 50000 * PIECE, &wrong);
    CHECK(fstat(s.fd, &after) == 0);
    CHECK(after.st_blocks < before.st_blocks / 2 ||
          after.st_blocks == before.st_blocks /* cannot punch holes */);
    CHECK_INT(wrong, 0);
    kernel_spill_close(&s);
}

CASE(without_a_file_the_newest_wait_in_memory)
{
    kernel_spill s = {.fd = open("/dev/full", O_RDWR)};
    int wrong = 0;
    size_t in = put(&s, 0, MANY);
    CHECK_INT(s.problem, ENOSPC);
    CHECK_INT(kernel_spill_on_disk(&s), 0);
    CHECK_INT(kernel_spill_bytes(&s), MANY * PIECE);
    size_t out = get(&s, 0, 100 * PIECE + 1, &wrong);
    in = put(&s, in, 10);
    CHECK_INT(get(&s, out, (size_t)-1, &wrong), in);
    CHECK_INT(wrong, 0);
    kernel_spill_close(&s);
}

CASE(a_file_that_fills_up_keeps_the_order)
{
    char name[] = "/tmp/rustorch-spill-XXXXXX";
    kernel_spill s = {0};
    int wrong = 0;
    size_t in = put(&s, 0, 400);
    int whole = s.fd;
    s.fd = mkstemp(name);           /* the same file, not to be written to */
    unlink(name);
    CHECK(s.fd > 0 && kernel_spill_on_disk(&s) > 0);
    close(s.fd);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", whole);
    s.fd = open(path, O_RDONLY);
    in = put(&s, in, 400);
    CHECK_INT(s.problem, EBADF);
    close(s.fd);
    s.fd = whole;
    CHECK_INT(get(&s, 0, (size_t)-1, &wrong), in);
    CHECK_INT(wrong, 0);
    kernel_spill_close(&s);
}

CASE(a_file_that_cannot_be_read_back_is_said)
{
    kernel_spill s = {0};
    int wrong = 0;
    put(&s, 0, MANY);
    CHECK(ftruncate(s.fd, 10) == 0);
    get(&s, 0, (size_t)-1, &wrong);
    CHECK(s.broken);
    CHECK_INT(kernel_spill_bytes(&s), 0);
    CHECK_INT(wrong, 0);
    kernel_spill_close(&s);
}

UNIT_MAIN

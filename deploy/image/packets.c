/* packets COMMAND [ARGUMENT...]: run the command with its standard output and error in packet mode.
 *
 * A step's two streams are two named pipes, read by the conductor of its pod. In packet mode (pipe(7), O_DIRECT) each
 * write stays a packet of its own, so that with room for one packet in each pipe the order of the writes is the order
 * in which they can be read. A shell can open a pipe, but not so. Static, no libc features, no options; where the mode
 * is refused the command runs all the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text)
{
    ssize_t ignored = write(2, text, strlen(text));
    (void)ignored;
}

int main(int count, char **words)
{
    if (count < 2)
        return 125;
    for (int stream = 1; stream <= 2; stream++) {
        int flags = fcntl(stream, F_GETFL);
        if (flags >= 0)
            fcntl(stream, F_SETFL, flags | O_DIRECT);
    }
    execv(words[1], words + 1);
    int problem = errno;
    say(words[1]);
    say(": ");
    say(strerror(problem));
    say("\n");
    return problem == ENOENT ? 127 : 126;
}

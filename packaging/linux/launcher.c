/* inspector [ARGUMENTS]: runs the program on the Python beside it, which trusts neither environment variables nor the current folder.

   Where the first argument is an option of Python's own (-c, -m, -P, ...), this is that Python: sys.executable names this file,
   and child processes start it so. Linked statically, because it must start wherever the program is unpacked. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_for_python(const char *argument) {
    return argument != NULL && argument[0] == '-' && strcmp(argument, "-h") != 0 && strcmp(argument, "--help") != 0 &&
           strcmp(argument, "--version") != 0;
}

int main(int count, char **arguments) {
    static char self[PATH_MAX], python[PATH_MAX + 32];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char **all = calloc((size_t)count + 8, sizeof *all);
    int used = 0;
    if (length <= 0 || all == NULL) {
        fprintf(stderr, "inspector: the program cannot find its own folder (%s).\n", strerror(errno));
        return 1;
    }
    self[length] = 0;
    snprintf(python, sizeof python, "%.*s/python/inspector", (int)(strrchr(self, '/') - self), self);
    all[used++] = self; /* Python takes its folder, and sys.executable, from the name it is started by */
    all[used++] = "-I";
    all[used++] = "-Xutf8";
    if (!is_for_python(arguments[1])) {
        all[used++] = "-m";
        all[used++] = "inspector";
    }
    for (int i = 1; i < count; i++) all[used++] = arguments[i];
    execv(python, all);
    fprintf(stderr, "inspector: %s cannot be started (%s). Install the program again.\n", python, strerror(errno));
    return 1;
}

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

/* Half an archive of modules, or none, would be told by Python in words that name no remedy. It ends with a mark of 22 bytes. */
static int is_whole(const char *archive) {
    char end[22];
    FILE *file = fopen(archive, "rb");
    int whole = file != NULL && fseek(file, -(long)sizeof end, SEEK_END) == 0 && fread(end, sizeof end, 1, file) == 1 &&
                memcmp(end, "PK\5\6", 4) == 0;
    if (file != NULL) fclose(file);
    return whole;
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
        static const char *const archives[] = {"python/stdlib.zip", "site.zip"};
        for (int i = 0; i < 2; i++) {
            static char archive[PATH_MAX + 32];
            snprintf(archive, sizeof archive, "%.*s/%s", (int)(strrchr(self, '/') - self), self, archives[i]);
            if (!is_whole(archive)) {
                fprintf(stderr, "inspector: %s is missing or damaged. Install the program again.\n", archive);
                return 1;
            }
        }
        all[used++] = "-m";
        all[used++] = "inspector";
    }
    for (int i = 1; i < count; i++) all[used++] = arguments[i];
    execv(python, all);
    fprintf(stderr, "inspector: %s cannot be started (%s). Install the program again.\n", python, strerror(errno));
    return 1;
}

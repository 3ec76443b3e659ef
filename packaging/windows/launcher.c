/* inspector.exe and inspectorw.exe: run the program on the Python beside it, which trusts neither environment variables nor the
   current folder. The first belongs to the console that called it, the second has none (WINDOW is defined).

   Where the first argument is an option of Python's own (-c, -m, -P, ...), this is that Python: sys.executable names this file,
   and child processes start it so. */
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

typedef int (*py_main)(int, wchar_t **);

static int stop(const wchar_t *what) {
    wchar_t text[1024];
    _snwprintf(text, 1023, L"%ls (Windows error %lu). Install the program again; if it stays, ask whether a virus scanner holds its files.",
               what, GetLastError());
    text[1023] = 0;
#ifdef WINDOW
    MessageBoxW(NULL, text, L"Inspector", MB_ICONERROR);
#else
    fwprintf(stderr, L"inspector: %ls\n", text);
#endif
    return 1;
}

static int is_for_python(const wchar_t *argument) {
    return argument[0] == L'-' && wcscmp(argument, L"-h") != 0 && wcscmp(argument, L"--help") != 0 && wcscmp(argument, L"--version") != 0;
}

static int start(int count, wchar_t **arguments) {
    static wchar_t self[32768], library[32800];
    wchar_t **all = calloc((size_t)count + 8, sizeof *all);
    int used = 0;
    HMODULE module;
    py_main run;
    if (all == NULL || GetModuleFileNameW(NULL, self, 32767) == 0) return stop(L"The program cannot find its own folder");
    wcscpy(library, self);
    wcscpy(wcsrchr(library, L'\\') + 1, L"python\\python311.dll");
    module = LoadLibraryExW(library, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
    run = module == NULL ? NULL : (py_main)(void *)GetProcAddress(module, "Py_Main");
    if (run == NULL) return stop(L"python\\python311.dll of the program cannot be loaded");
    all[used++] = self;
    all[used++] = L"-I";
    all[used++] = L"-Xutf8";
    if (count < 2 || !is_for_python(arguments[1])) {
        all[used++] = L"-m";
        all[used++] = L"inspector";
    }
    for (int i = 1; i < count; i++) all[used++] = arguments[i];
    return run(used, all);
}

#ifdef WINDOW
int WINAPI wWinMain(HINSTANCE instance, HINSTANCE before, PWSTR line, int show) {
    (void)instance, (void)before, (void)line, (void)show;
    return start(__argc, __wargv);
}
#else
int wmain(int count, wchar_t **arguments) { return start(count, arguments); }
#endif

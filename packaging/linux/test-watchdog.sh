# Run by test-installers.sh as root inside a Debian root: starts the installed service under a service manager of its own, stops the
# thread of its event loop, and prints how often the manager started it again. The watchdog of the unit is shortened to 20 s.
set -eu
# A service manager for users starts only where the system looks as if systemd had started it, and needs control groups.
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/inspector-$$"
echo $$ >"/sys/fs/cgroup/inspector-$$/cgroup.procs"
export XDG_RUNTIME_DIR=/run/user HOME=/tmp/watchdog SYSTEMD_IGNORE_CHROOT=1
chmod 700 /run/user
mkdir -p "$HOME/.config/systemd/user/inspector.service.d"
printf '[Service]\nEnvironment=QT_QPA_PLATFORM=offscreen\nWatchdogSec=20\n' >"$HOME/.config/systemd/user/inspector.service.d/test.conf"
unshare --cgroup --mount sh -c 'umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec /lib/systemd/systemd --user' >/tmp/manager.txt 2>&1 &
of() { systemctl --user show inspector -p "$1" --value; }
for _ in $(seq 50); do
    systemctl --user is-system-running >/dev/null 2>&1 && break
    [ ! -S /run/user/systemd/private ] || break
    sleep 0.2
done
systemctl --user start inspector
inspector -c '
import ctypes, os, sys, time
attach, interrupt, any_child, no_hang = 0x4206, 0x4207, 0x40000000, 1
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
pid = int(sys.argv[1])
assert ptrace(attach, pid, None, None) == 0 and ptrace(interrupt, pid, None, None) == 0  # this thread only
end = time.monotonic() + 120
while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
    try:
        os.waitpid(pid, any_child | no_hang)
    except ChildProcessError:
        break
    time.sleep(0.2)
' "$(of MainPID)"
for _ in $(seq 120); do
    [ "$(of ActiveState) $(of NRestarts)" != "active 1" ] || break
    sleep 1
done
echo "restarts: $(of NRestarts)"
cat "$HOME/.local/share/inspector/restarts.log"
systemctl --user stop inspector
systemctl --user exit

# On the distribution's own kernel, 7.3, where stock CRIU 4.1.1 can dump no network namespace, and
# no TCP socket.
TRACKER=rwp MIB=20
. "$(dirname "$0")/61-podman.sh"

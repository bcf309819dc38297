# frazil flatten: shared memory. CRIU 4.1.1 dumps it as a whole; older ones left parts to the parent, and
# it still restores that. So some of it is moved there.
. "$(dirname "$0")/lib.sh"
pagemap() { python3 "$(dirname "$0")/pagemap.py" "$@"; }

report=$PWD/shmem.report
: >"$report"
cp "$BIN/shmem" ./shmem
pid=$(./shmem "$report" 16)
poll 100 test -s "$report"
answers=1
pages_round
pages_round
mkdir s1
CRIU=criu-stock dump s2 --track-mem --prev-images-dir ../s1
shm=$(cd s2 && echo pagemap-shmem-*.img)
is "shared pages" "$(pagemap count "s2/$shm" PE_PRESENT)" $((16 * 256))
pagemap to-parent "s2/$shm" s1
holds "shared pages in the parent" "$(pagemap count "s2/$shm" PE_PARENT)" -ge 2000
must frazil flatten s2 --output sflat
crit show "sflat/$shm" >/dev/null
[ ! -L sflat/parent ] || fail "it has a parent"
is "shared pages" "$(pagemap count "sflat/$shm" PE_PRESENT)" $((16 * 256))
CRIU=criu-stock restore s2
pages_verify
kill_task
rm -rf s1 s2
CRIU=criu-stock restore sflat
pages_verify

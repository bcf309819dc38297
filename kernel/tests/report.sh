#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests of kernel/selftests/report.py on output as the selftests print it. Prints TAP.
set -u
report=$(cd "$(dirname "$0")/../selftests" && pwd)/report.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

# gives DIR "STATUS<tab>CASE<tab>DETAIL"...: these are among the lines
gives()
{
	local what=$1 dir=$2 line missing=
	shift 2
	n=$((n + 1))
	"$report" results "$work/$dir" >"$work/log" 2>&1
	for line in "$@"; do
		grep -qxF "$(printf '%b' "$line")" "$work/log" || missing+="# no line: $line"$'\n'
	done
	[ -z "$missing" ] && echo "ok $n - $what" && return
	echo "not ok $n - $what"
	printf '%s' "$missing"
	sed 's/^/# /' "$work/log"
}

# says WHAT PATTERN... -- DIR...: the comparison of the kernels says this
says()
{
	local what=$1 p missing=
	local -a patterns=() dirs=()
	shift
	while [ "$1" != -- ]; do patterns+=("$1"); shift; done
	shift
	for p; do dirs+=("$work/$p"); done
	n=$((n + 1))
	"$report" check "${dirs[@]}" "$work/expected" >"$work/log" 2>&1
	for p in "${patterns[@]}"; do
		grep -qE -- "$p" "$work/log" || missing+="# not there: $p"$'\n'
	done
	[ -z "$missing" ] && echo "ok $n - $what" && return
	echo "not ok $n - $what"
	printf '%s' "$missing"
	sed 's/^/# /' "$work/log"
}

# run DIR NAME STATUS: what a program printed is on standard input
run()
{
	mkdir -p "$work/$1/results"
	echo "6.12.0-$1" >"$work/$1/results/version"
	{ cat; [ -z "$3" ] || echo "# status $3 seconds 7"; } >"$work/$1/results/$2.out"
	: >"$work/$1/results/$2.dmesg"
}

printf '# comment\nmigration: migration.two\tit depends on the host\n' >"$work/expected"

run unit uffd-unit-tests 1 <<'END'
Testing UFFDIO_API (with syscall)... done
Testing one on anon... skipped [reason: feature missing]
Testing one on shmem... failed [reason: stats check error]
Testing two on anon... ERROR: register failed (errno=22, @uffd-unit-tests.c:1)
Testing three on anon... done
Testing three on hugetlb... 
END
gives "uffd-unit-tests: one status for each memory type" unit \
	'pass\tuffd-unit-tests: UFFDIO_API (with syscall)\t' 'skip\tuffd-unit-tests: one on anon\tfeature missing' \
	'fail\tuffd-unit-tests: one on shmem\tstats check error' 'pass\tuffd-unit-tests: three on anon\t' \
	'fail\tuffd-unit-tests: two on anon\tERROR: register failed (errno=22, @uffd-unit-tests.c:1)' \
	'fail\tuffd-unit-tests: three on hugetlb\tit ended the program'

run tap cow 1 <<'END'
TAP version 13
1..3
# [RUN] Basic COW after fork() ... with base page
ok 1 No leak from parent into child
# [RUN] Basic COW after fork() ... with hugetlb (2048 kB)
ok 2 # SKIP need more free huge pages
# [RUN] vmsplice() + unmap ... with base page
not ok 3 Leak from parent into child
END
run tap mremap_test 0 <<'END'
ok 1 # XFAIL mremap - Source and Destination Regions Overlapping
	Expected mremap failure
ok 2 8KB mremap - Source PTE-aligned, Destination PTE-aligned
	mremap time:       123456ns
ok 3 8KB mremap - Source PTE-aligned, Destination PTE-aligned
END
gives "TAP: named by [RUN] where there is one" tap \
	'pass\tcow: Basic COW after fork() ... with base page\t' 'fail\tcow: vmsplice() + unmap ... with base page\t' \
	'skip\tcow: Basic COW after fork() ... with hugetlb (2048 kB)\tneed more free huge pages' \
	'pass\tmremap_test: mremap - Source and Destination Regions Overlapping\t' \
	'pass\tmremap_test: 8KB mremap - Source PTE-aligned, Destination PTE-aligned #2\t'

run thp khugepaged 1 < <(printf 'Run test: full (khugepaged:anon)\nCollapse.... \e[32mOK\e[0m\n\nRun test: half (madvise:anon)\nCollapse.... \e[31mFail: check_huge()\e[0m\nCheck.... \e[32mOK\e[0m\n')
gives "khugepaged: a test with a step that fails has failed" thp \
	'pass\tkhugepaged: full (khugepaged:anon)\t' 'fail\tkhugepaged: half (madvise:anon)\t'

run ends uffd-stress-anon 0 </dev/null
run ends uffd-stress-shmem 1 </dev/null
run ends soft-dirty 4 < <(echo "1..0 # SKIP soft-dirty is not support")
run ends migration 124 < <(echo "ok 1 migration.one")
run ends cow 139 < <(echo "ok 1 one")
run ends ksm_functional_tests 1 < <(echo "ok 1 one")
run ends pagemap_ioctl "" < <(echo "ok 1 one")
echo '[    1.0] WARNING: CPU: 0 PID: 1 at mm/memory.c:1' >"$work/ends/results/cow.dmesg"
gives "a program that does not end well is a case that failed" ends \
	'pass\tuffd-stress-anon: all bounces\t' 'fail\tuffd-stress-shmem: all bounces\t' \
	'fail\tmigration: ends as it should\tout of time' 'fail\tcow: ends as it should\tsignal 11' \
	'fail\tksm_functional_tests: ends as it should\tstatus 1' 'fail\tpagemap_ioctl: ends as it should\tthe guest died'
gives "a splat in the kernel log is a case that failed" ends \
	'fail\tcow: kernel log\t[    1.0] WARNING: CPU: 0 PID: 1 at mm/memory.c:1' 'pass\tmigration: kernel log\t'

run unpatched migration 0 < <(printf '%s\n' 'ok 1 migration.one' 'ok 2 migration.two' 'not ok 3 migration.three' 'ok 4 # SKIP new')
run same migration 0 < <(printf '%s\n' 'ok 1 migration.one' 'not ok 2 migration.two' 'not ok 3 migration.three' 'ok 4 new')
run other migration 0 < <(printf '%s\n' 'not ok 1 migration.one' 'ok 2 migration.two' 'ok 3 migration.three' 'not ok 4 new' 'not ok 5 newer')
run fewer migration 0 < <(printf '%s\n' 'ok 2 migration.two' 'not ok 3 migration.three')
says "the same results, and a new case: nothing has failed" '^same: 5 cases, 1 of them new: 1 passed, 0 failed' \
	'^4 passed, 0 failed, 1 skipped$' -- same unpatched
says "each change and each new case that fails is named" \
	'^not ok - other: migration: migration.one: pass on the unpatched kernel, fail here' \
	'^not ok - other: migration: migration.three: fail on the unpatched kernel, pass here' \
	'^not ok - other: migration: new: new, and failed' '^not ok - other: migration: newer: new, and failed' \
	' 4 failed, 1 skipped$' -- other unpatched
says "a case that is not there any more is named" \
	'^not ok - fewer: migration: migration.one: pass on the unpatched kernel, not run here' -- fewer unpatched
says "what fails on the unpatched kernel is shown" '^# unpatched: migration: migration.three: fail: not in the list' -- same unpatched
for dir in same unpatched; do
	echo "[    1.0] WARNING: CPU: 0 PID: 1 at mm/$dir.c:1" >"$work/$dir/results/migration.dmesg"
done
says "a splat is not excused by another one of the unpatched kernel" \
	'^not ok - same: migration: kernel log: .*mm/same.c:1, as on the unpatched kernel' -- same unpatched
echo "1..$n"

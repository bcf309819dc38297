# Which freezer is taken for a live dump when none is asked for: fork, which nothing that
# the task does makes fail, if there is room for what it may write; otherwise another.
. "$(dirname "$0")/lib.sh"
group=/sys/fs/cgroup/live-auto
mkdir -p $group
trap 'kill -KILL "$pid" && sleep 1; rmdir $group' EXIT
export FRAZIL_FREEZE=auto
bank_start --mib 32 --threads 2 --span 20 --alone
echo "$pid" >$group/cgroup.procs

# chosen DIR FREEZER
chosen()
{
	dump "$1" --leave-running
	is "freezer in $1" "$(live_of "$1" freezer)" "$2"
	bank_verify
}

chosen room fork
# All pages are in the group that the task was in before. The limits say what is left for more.
echo 20M >$group/memory.max
chosen limited "${OTHER:-deactivate}"
echo 200M >$group/memory.max
chosen unlimited fork
echo 1 >$group/pids.max
chosen one-process "${OTHER:-deactivate}"
kill_task
echo max >$group/pids.max
for dir in limited one-process; do
	restore $dir
	bank_verify
	kill_task
done

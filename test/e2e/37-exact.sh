# What is dumped again is what was written, to 2 %: for tasks that only read, that read
# a lot, and that write a lot.
. "$(dirname "$0")/lib.sh"

# exact WRITE READ: percentages of the pages, in each of two rounds
exact()
{
	local dir again
	mkdir "$1-$2"
	cd "$1-$2"
	generation=0 dirtied=0
	pages_start --mib 192 --write-percent "$1" --read-percent "$2"
	predump 1
	for dir in 2 3; do
		pages_round
		predump $dir --prev-images-dir ../$((dir - 1))
	done
	again=$(($(stat_of 2 pages_written) + $(stat_of 3 pages_written)))
	holds "pages dumped again, of $dirtied" "$again" -ge "$dirtied"
	# With nothing written there is still a page of stack or two in each round, and
	# what cannot be tracked: the program's own file mappings.
	if [ "$1" = 0 ]; then
		holds "pages dumped again, with nothing written" $((again - dirtied)) -le 100
	else
		holds "pages dumped again, times 100" $((again * 100)) -le $((dirtied * 102))
	fi
	kill_task
	cd ..
}

exact 0 90
exact 10 80
exact 60 10

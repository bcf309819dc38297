# Memory that several processes write: anonymous, a memfd, a file; also by one that ends
# and by some that begin between the rounds.
. "$(dirname "$0")/lib.sh"
shapes_start shared,memfd,tmpfs,anon --children
shapes_chain splice read

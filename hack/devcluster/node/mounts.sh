# Gives a node's mount namespace some places of its own; the rest is this machine's.
# Arguments: the node's directory, where it is to be seen, and for version 1 of control groups
# each hierarchy as NAME OPTIONS, where the node's own groups become the whole tree.
set -e
directory=$1 inside=$2 groups=/sys/fs/cgroup
shift 2

# Pods' mounts reach those that ask for them; none of them leaves the node.
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$inside" /run/var/upper /run/var/work /run/lock
mount --bind "$directory" "$inside"
# The kubelet has two paths below /var that can't be configured.
mount -t overlay -o lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work overlay /var

if [ $# -gt 0 ]; then
    mount -t tmpfs -o mode=755 tmpfs $groups
    while [ $# -gt 0 ]; do
        mkdir -p "$groups/$1"
        mount -t cgroup -o "$2" cgroup "$groups/$1"
        shift 2
    done
else
    mount -t cgroup2 cgroup2 $groups
    # A group with processes can't have groups below it that are controlled: they move down.
    mkdir -p $groups/programs
    for pid in $(cat $groups/cgroup.procs); do
        echo "$pid" > $groups/programs/cgroup.procs 2>/dev/null || true
    done
    for name in $(cat $groups/cgroup.controllers); do
        echo "+$name" > $groups/cgroup.subtree_control
    done
fi

"""A node of our own: pods, Services and logs, where no container engine is to be had.

It is upstream's kubelet, kube-proxy, kube-scheduler, CoreDNS, containerd and runc, in
namespaces of their own (``namespaces``), joined to a control plane on this machine by one
link (``network``). When the process that holds the namespaces ends, the kernel takes
everything down with them: processes, mounts, bridge and packet filter rules.

Not k3s: the Go module proxy does not have it (docs/adr/0035).
"""

package vm

// Product are the modules that safe-run itself uses, and those whose absence would
// make attacks of the battery "absent" instead of blocked: a machine has no program
// that loads modules on demand.
var Product = []string{
	"overlay", "veth", "bridge", "tun", "nf_tables", "nf_conntrack", "nf_conntrack_netlink", "nf_nat", "nft_chain_nat", "nft_ct", "nft_nat", "nft_masq", "nft_redir",
	"nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6", "nft_limit", "nft_log", "nft_fib", "nft_fib_inet", "nft_fib_ipv4", "nft_fib_ipv6",
	"nft_meta_bridge", "nft_socket", "nft_quota", "nft_counter", "nf_log_syslog", "nfnetlink_log", "nf_defrag_ipv4", "nf_defrag_ipv6",
	"af_alg", "algif_hash", "algif_skcipher", "af_packet", "vsock", "vsock_loopback", "xfrm_user", "nfnetlink", "inet_diag", "tcp_diag", "unix_diag",
	"af_key", "rds", "rxrpc", "tipc", "can", "can_raw", "fuse", "kvm", "binfmt_misc",
}

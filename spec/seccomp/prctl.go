package seccomp

import "slices"

// option is one operation of prctl(2).
type option struct {
	number uint32
	why    string
}

// prctlOptions is an allow-list, because new operations are added with almost
// every kernel. Left out on purpose: PR_SET_MM (rewrites what ps shows, and
// /proc/self/exe), PR_SET_SECCOMP (unless seccomp is allowed), PR_MCE_KILL,
// PR_SET_IO_FLUSHER, PR_SCHED_CORE, PR_SET_MEMORY_MERGE (a side channel
// between processes), PR_SET_SPECULATION_CTRL (turns mitigations off).
var prctlOptions = []option{
	{1, "PR_SET_PDEATHSIG: die with the parent"},
	{2, "PR_GET_PDEATHSIG"},
	{3, "PR_GET_DUMPABLE"},
	{4, "PR_SET_DUMPABLE: servers guard their memory with it"},
	{7, "PR_GET_KEEPCAPS"},
	{8, "PR_SET_KEEPCAPS: keep what the profile gave while changing user"},
	{15, "PR_SET_NAME: names of threads"},
	{16, "PR_GET_NAME"},
	{21, "PR_GET_SECCOMP: am I in a sandbox"},
	{23, "PR_CAPBSET_READ"},
	{24, "PR_CAPBSET_DROP: only ever gives up"},
	{27, "PR_GET_SECUREBITS"},
	{28, "PR_SET_SECUREBITS: needs CAP_SETPCAP"},
	{29, "PR_SET_TIMERSLACK"},
	{30, "PR_GET_TIMERSLACK"},
	{36, "PR_SET_CHILD_SUBREAPER: process supervisors"},
	{37, "PR_GET_CHILD_SUBREAPER"},
	{38, "PR_SET_NO_NEW_PRIVS: already set"},
	{39, "PR_GET_NO_NEW_PRIVS"},
	{41, "PR_SET_THP_DISABLE: redis, Go and others avoid huge pages"},
	{42, "PR_GET_THP_DISABLE"},
	{47, "PR_CAP_AMBIENT: cannot exceed the permitted set"},
	{52, "PR_GET_SPECULATION_CTRL"},
	{65, "PR_SET_MDWE: refuse memory that is both writable and executable"},
	{66, "PR_GET_MDWE"},
	{0x53564d41, "PR_SET_VMA: names of memory areas, by allocators"},
	{0x59616d61, "PR_SET_PTRACER: crash handlers; ptrace itself stays refused"},
}

// prctlArm64 are the options that only arm64 has.
var prctlArm64 = []option{
	{50, "PR_SVE_SET_VL: vector length"},
	{51, "PR_SVE_GET_VL"},
	{54, "PR_PAC_RESET_KEYS: pointer authentication"},
	{55, "PR_SET_TAGGED_ADDR_CTRL: memory tagging, by the C library's allocator"},
	{56, "PR_GET_TAGGED_ADDR_CTRL"},
	{60, "PR_PAC_SET_ENABLED_KEYS"},
	{61, "PR_PAC_GET_ENABLED_KEYS"},
}

const prSetSeccomp = 22

func prctlRule(p Policy) rule {
	r := rule{name: "prctl", why: "an allow-list of operations"}
	options := slices.Clone(prctlOptions)
	if p.Arch == "arm64" {
		options = append(options, prctlArm64...)
	}
	if slices.Contains(Expand(p.Allow), "seccomp") {
		options = append(options, option{prSetSeccomp, "PR_SET_SECCOMP: what seccomp(2) does"})
	}
	for _, o := range options {
		r.allow = append(r.allow, conditions{int32Is(0, o.number)})
	}
	return r
}

package audit

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// capabilityNames are in the order of linux/capability.h, of Linux 5.9 and
// later; none was added since.
var capabilityNames = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

// mild are the capabilities that do not lead to others, or to other users' data.
var mild = map[string]bool{
	"net_bind_service": true, "net_broadcast": true, "net_raw": true, "ipc_lock": true, "lease": true, "audit_write": true,
	"sys_nice": true, "wake_alarm": true, "block_suspend": true, "kill": true, "sys_tty_config": true, "sys_pacct": true,
}

// fileCaps is a decoded security.capability.
type fileCaps struct {
	permitted, inheritable uint64
	effective              bool
	root                   uint32 // of the user namespace; version 3 only
}

// decodeCaps reads struct vfs_cap_data of versions 2 and 3 (linux/capability.h):
// little endian, a magic with the version and the effective bit, two pairs of
// permitted and inheritable, and in version 3 the root's uid.
func decodeCaps(raw string) (c fileCaps, ok bool) {
	b := []byte(raw)
	if len(b) < 20 {
		return c, false
	}
	magic := binary.LittleEndian.Uint32(b)
	switch version := magic >> 24; {
	case version == 2 && len(b) == 20:
	case version == 3 && len(b) == 24:
		c.root = binary.LittleEndian.Uint32(b[20:])
	default:
		return c, false
	}
	c.effective = magic&1 != 0
	c.permitted = uint64(binary.LittleEndian.Uint32(b[4:])) | uint64(binary.LittleEndian.Uint32(b[12:]))<<32
	c.inheritable = uint64(binary.LittleEndian.Uint32(b[8:])) | uint64(binary.LittleEndian.Uint32(b[16:]))<<32
	return c, true
}

// names lists a set.
func capabilityList(set uint64) []string {
	var names []string
	for i := range 64 {
		switch {
		case set&(1<<i) == 0:
		case i < len(capabilityNames):
			names = append(names, capabilityNames[i])
		default:
			names = append(names, fmt.Sprintf("number %d", i))
		}
	}
	return names
}

func capabilityDetail(raw string) (Severity, string) {
	c, ok := decodeCaps(raw)
	if !ok {
		return Low, "its attribute security.capability has no form that Linux knows"
	}
	severity := Low
	for _, name := range capabilityList(c.permitted | c.inheritable) {
		if !mild[name] {
			severity = High
		}
	}
	var parts []string
	if c.permitted != 0 {
		parts = append(parts, "permitted "+strings.Join(capabilityList(c.permitted), ", "))
	}
	if c.inheritable != 0 {
		parts = append(parts, "inheritable "+strings.Join(capabilityList(c.inheritable), ", "))
	}
	if len(parts) == 0 {
		parts = append(parts, "none")
	}
	if c.effective {
		parts = append(parts, "effective at once")
	}
	if c.root != 0 {
		parts = append(parts, fmt.Sprintf("for the user namespace of uid %d", c.root))
	}
	return severity, "whoever starts it gets capabilities: " + strings.Join(parts, "; ") + "; safe-run does not honour them, others do"
}

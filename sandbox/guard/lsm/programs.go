package lsm

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// hook is a place where the kernel asks, and what is answered there.
type hook struct {
	name  string
	write func(*builder, *world)
	// optional is not in every kernel: those without ask elsewhere.
	optional bool
}

// world is what programs refer to.
type world struct {
	marks, paths int // descriptors of maps
	*offsets
}

// bit is the place of a class.
func bit(class string) int { return slices.Index(spec.GuardClasses(), class) }

// refuse is a hook that one class is refused at, whatever its arguments are.
func refuse(name, class string) hook {
	return hook{name: name, write: func(b *builder, _ *world) { b.ifClass(bit(class), deny) }}
}

// hooks are all. What is refused gets EPERM.
var hooks = []hook{
	{name: "socket_create", write: sockets},
	{name: "file_open", write: openPaths},
	{name: "inode_init_security_anon", write: anonymous},
	refuse("key_permission", spec.GuardKeys),
	{name: "ptrace_access_check", write: access},
	refuse("ptrace_traceme", spec.GuardPtrace),
	refuse("task_movememory", spec.GuardCompare),
	refuse("perf_event_open", spec.GuardPerf),
	refuse("bpf", spec.GuardBPF),
	refuse("shm_alloc_security", spec.GuardShm),
	refuse("msg_queue_alloc_security", spec.GuardMsg),
	refuse("sem_alloc_security", spec.GuardSem),
	refuse("userns_create", spec.GuardUserNS),
	refuse("syslog", spec.GuardSyslog),
	{name: "file_ioctl", write: terminals},
	// Calls of 32 bits, since Linux 6.8, 6.6.14 and 6.1.75 (f1bb47a31dff); before, by
	// file_ioctl.
	{name: "file_ioctl_compat", write: terminals, optional: true},
}

// program writes the program of a hook.
func (h hook) program(w *world) asm.Instructions {
	b := new(builder)
	b.current(w)
	h.write(b, w)
	return b.end()
}

// sockets: security_socket_create(family, type, protocol, kern). What the kernel
// makes for itself is not asked about.
func sockets(b *builder, _ *world) {
	b.argument(asm.R2, 3)
	b.add(asm.JNE.Imm(asm.R2, 0, allow))
	b.argument(asm.R2, 0)
	b.add(asm.JGT.Imm(asm.R2, 63, allow)) // which the kernel has refused by now
	b.ifBit(ofFamilies, asm.R2, deny)
	b.add(asm.JNE.Imm(asm.R2, unix.AF_NETLINK, allow))
	b.argument(asm.R2, 2)
	b.add(asm.JGT.Imm(asm.R2, 63, allow))
	b.ifBit(ofNetlink, asm.R2, deny)
}

// access: security_ptrace_access_check(child, mode). What /proc is looked at with
// has other credentials (PTRACE_MODE_FSCREDS), and is no system call of its own: a
// filter that refuses ptrace lets a process open /proc/PID/mem of its like, and so
// does the guard.
func access(b *builder, _ *world) {
	const attach, realCreds = 0x2, 0x10
	attaches, asked := b.label(), b.label()
	b.argument(asm.R2, 1)
	b.add(asm.JSet.Imm(asm.R2, realCreds, asked))
	b.jump(allow)
	b.at(asked)
	b.add(asm.JSet.Imm(asm.R2, attach, attaches))
	b.ifClass(bit(spec.GuardCompare), deny)
	b.jump(allow)
	b.at(attaches)
	b.ifClass(bit(spec.GuardPtrace), deny)
}

// terminals: security_file_ioctl(file, cmd, arg), and security_file_ioctl_compat.
func terminals(b *builder, _ *world) {
	is := b.label()
	b.argument(asm.R2, 1)
	b.add(asm.JEq.Imm(asm.R2, unix.TIOCSTI, is), asm.JNE.Imm(asm.R2, unix.TIOCLINUX, allow))
	b.at(is)
	b.ifClass(bit(spec.GuardTTY), deny)
}

// anonymous: security_inode_init_security_anon(inode, name, context) is asked of
// descriptors that are no file, and knows them by their names.
func anonymous(b *builder, w *world) {
	const at, size = -32, 16
	b.add(asm.LoadMem(asm.R3, ctx, 8, asm.DWord))
	b.read(asm.R3, asm.R3, w.of("qstr", "name"))
	b.text(at, size, asm.R3)
	for _, kind := range []struct{ name, class string }{{"[userfaultfd]", spec.GuardUserfaultfd}, {"[io_uring]", spec.GuardIOUring}} {
		other := b.label()
		for i := range 2 {
			b.add(
				asm.LoadMem(asm.R1, asm.RFP, at+8*int16(i), asm.DWord),
				asm.LoadImm(asm.R2, int64(words(kind.name, size)[i]), asm.DWord),
				asm.JNE.Reg(asm.R1, asm.R2, other),
			)
		}
		b.ifClass(bit(kind.class), deny)
		b.jump(allow)
		b.at(other)
	}
}

// words are a string with zeros behind it, as this machine loads them.
func words(s string, size int) []uint64 {
	data := make([]byte, size)
	copy(data, s)
	var out []uint64
	for i := 0; i < size; i += 8 {
		out = append(out, binary.NativeEndian.Uint64(data[i:]))
	}
	return out
}

// The tree of paths that are refused, as a map: a node and a name give another
// node, or the number of a bit.
const (
	nodeProc  = 1
	nodeSys   = 2
	firstNode = 64 // less is a bit
	nameSize  = 24
	mostDeep  = 3 // names in a path
	mostUp    = 20
)

type pathKey struct {
	Node uint64
	Name [nameSize]byte
}

// pathTree makes the map's content from the list of paths.
func pathTree(paths []string) (map[pathKey]uint64, error) {
	tree := map[pathKey]uint64{}
	roots := map[string]uint64{"proc": nodeProc, "sys": nodeSys}
	next := uint64(firstNode)
	for number, path := range paths {
		names := strings.Split(strings.TrimPrefix(path, "/"), "/")
		node, known := roots[names[0]]
		names = names[1:]
		if !known || len(names) == 0 || len(names) > mostDeep {
			return nil, fmt.Errorf("%s cannot be refused", path)
		}
		for i, name := range names {
			key := pathKey{Node: node}
			if copy(key.Name[:nameSize-1], name) != len(name) {
				return nil, fmt.Errorf("%s: %s is too long", path, name)
			}
			was, there := tree[key]
			last := i == len(names)-1
			switch {
			case there && (last || was < firstNode):
				return nil, fmt.Errorf("%s is below another", path)
			case last:
				tree[key] = uint64(number)
			case there:
				node = was
			default:
				tree[key], node = next, next
				next++
			}
		}
	}
	return tree, nil
}

// openPaths: security_file_open(file). The names of the file and of what is above
// it, up to the root of its filesystem, say which file of /proc or /sys it is.
func openPaths(b *builder, w *world) {
	const (
		magicProc, magicSys = 0x9fa0, 0x62656572
		second, third       = -16, -24 // what is below the one that is looked at
		node, name          = -56, -48
		entry, root         = asm.R8, asm.R9
	)
	sysfs, walk, top := b.label(), b.label(), b.label()
	b.add(asm.LoadMem(asm.R1, mark, ofPaths, asm.DWord), asm.JEq.Imm(asm.R1, 0, allow))
	b.add(asm.LoadMem(entry, ctx, 0, asm.DWord))
	b.read(entry, entry, w.of("file", "f_path.dentry"))
	b.read(root, entry, w.of("dentry", "d_sb"))
	b.read(asm.R1, root, w.of("super_block", "s_magic"))
	b.add(asm.Mov.Imm(asm.R2, nodeProc), asm.StoreMem(asm.RFP, node, asm.R2, asm.DWord))
	b.add(asm.JEq.Imm(asm.R1, magicProc, walk), asm.JEq.Imm(asm.R1, magicSys, sysfs))
	b.jump(allow)
	b.at(sysfs)
	b.add(asm.Mov.Imm(asm.R2, nodeSys), asm.StoreMem(asm.RFP, node, asm.R2, asm.DWord))
	b.at(walk)
	b.read(root, root, w.of("super_block", "s_root"))
	b.add(asm.JEq.Reg(entry, root, allow))
	b.add(asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, second, asm.R1, asm.DWord), asm.StoreMem(asm.RFP, third, asm.R1, asm.DWord))
	for range mostUp {
		b.read(asm.R0, entry, w.of("dentry", "d_parent"))
		b.add(
			asm.JEq.Reg(asm.R0, root, top),
			asm.LoadMem(asm.R1, asm.RFP, second, asm.DWord),
			asm.StoreMem(asm.RFP, third, asm.R1, asm.DWord),
			asm.StoreMem(asm.RFP, second, entry, asm.DWord),
			asm.Mov.Reg(entry, asm.R0),
		)
	}
	b.jump(allow)
	b.at(top)
	for _, below := range []int16{second, third, 0} {
		isBit := b.label()
		b.read(asm.R3, entry, w.of("dentry", "d_name.name"))
		b.text(name, nameSize, asm.R3)
		b.add(
			asm.LoadMapPtr(asm.R1, w.paths),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, node),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, allow),
			asm.LoadMem(asm.R2, asm.R0, 0, asm.DWord),
			asm.JLT.Imm(asm.R2, firstNode, isBit),
		)
		if below != 0 {
			further := b.label()
			b.add(
				asm.StoreMem(asm.RFP, node, asm.R2, asm.DWord),
				asm.LoadMem(entry, asm.RFP, below, asm.DWord),
				asm.JNE.Imm(entry, 0, further),
			)
			b.jump(allow)
			b.at(isBit)
			b.ifBit(ofPaths, asm.R2, deny)
			b.jump(allow)
			b.at(further)
			continue
		}
		b.jump(allow)
		b.at(isBit)
		b.ifBit(ofPaths, asm.R2, deny)
	}
}

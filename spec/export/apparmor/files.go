package apparmor

import (
	"strings"

	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/quote"
)

// outside are globs for all below / but /dev, /proc and /sys: letter by letter,
// because no rule can take back from a wider one what it alone allows without
// refusing it for good.
var outside = []string{
	"[^dps]**", "d{,[^e]**}", "de{,[^v]**}", "dev[^/]**", "p{,[^r]**}", "pr{,[^o]**}", "pro{,[^c]**}", "proc[^/]**",
	"s{,[^y]**}", "sy{,[^s]**}", "sys[^/]**",
}

// below is a path with all that is in it.
const below = "{,/**}"

// image: read, run under this same profile, map as a program, lock; written to
// where the root filesystem may be.
func (w *writer) image() {
	mode := "mrkix"
	if w.s.ReadOnly {
		w.note("The image is read and run: all but /dev, /proc and /sys.")
	} else {
		w.note("The image is read, run and written to: all but /dev, /proc and /sys.")
		mode = "mrwlkix"
	}
	w.rule(`"/" r`)
	for _, glob := range outside {
		w.rule("%s %s", quote.AppArmor("/", glob), mode)
	}
	// memfd_create(2): safe-run sets vm.memfd_noexec.
	w.rule(`audit deny "/memfd:**" x`)
}

// kernel is what the kernel shows of itself, and the devices that every
// container has. A program names its threads and offers itself to the
// out-of-memory killer by files of its own in /proc.
func (w *writer) kernel() {
	w.note("What the kernel shows, and the devices that every container has.")
	w.rule(`"/proc/{,**}" r`)
	w.rule(`owner "/proc/[0-9]*/{comm,oom_score_adj}" w`)
	w.rule(`owner "/proc/[0-9]*/task/[0-9]*/comm" w`)
	w.rule(`"/sys/{,**}" r`)
	w.rule(`"/dev/" r`)
	w.rule(`"/dev/{console,full,null,ptmx,random,tty,urandom,zero}" rw`)
	w.rule(`"/dev/pts/" r`)
	w.rule(`"/dev/pts/{ptmx,[0-9]*}" rw`)
}

// places are the memory filesystems.
func (w *writer) places() {
	if len(w.s.Places) > 0 {
		w.note("Memory filesystems.")
	}
	for _, p := range w.s.Places {
		w.rule("%s rk", quote.AppArmor(p.Path, below))
		owner := ""
		if w.ownersOnly(p) {
			owner = "owner "
		}
		w.rule("%s%s rwlk", owner, quote.AppArmor(p.Path, below))
		if p.Exec {
			w.rule("%s mix", quote.AppArmor(p.Path, below))
		} else {
			w.rule("audit deny %s mx", quote.AppArmor(p.Path, below))
		}
	}
}

// ownersOnly says whether each may change only what it made. A volume of the
// image comes with files of others, and a capability may be there for them.
func (w *writer) ownersOnly(p export.Place) bool { return !p.FromImage && len(w.s.Capabilities) == 0 }

// paths are refused where safe-run hides or protects them; what is refused is
// refused whatever allows it.
func (w *writer) paths() {
	w.note("What tells of the host, or lets one do something to it.")
	for _, p := range w.s.Profile.Paths.Masked {
		w.rule("deny %s mrwlkx", quote.AppArmor(p, below))
	}
	for _, p := range w.s.Profile.Paths.ReadOnly {
		w.rule("deny %s wl", quote.AppArmor(p, below))
	}
}

// blocked are places whose programs cannot be run because a place around them
// refuses it.
func (w *writer) blocked() (out []export.Place) {
	for _, inner := range w.s.Places {
		for _, outer := range w.s.Places {
			if inner.Exec && !outer.Exec && strings.HasPrefix(inner.Path, outer.Path+"/") {
				out = append(out, inner)
				break
			}
		}
	}
	return out
}

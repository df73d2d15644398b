package cli

// about is what the program says of itself.
const about = `It has runc's command line. The bundle's config.json is met with a profile: that
of the annotation safe-run.dev/profile, else that of /etc/safe-run/oci.yaml, and
the administrator's floor. Without any of them it does what runc does.`

// Command is what a manual says of the program, or of one verb.
type Command struct {
	Name, Usage, Args, About string
	Flags                    []Flag
	Verbs                    []Command
}

// Flag is one flag by all its names.
type Flag struct {
	Names []string
	Usage string
	Value bool // it takes one
}

// Manual describes the program with all its verbs.
func Manual() Command {
	a := &app{name: "safe-run-oci"}
	f := newFlags()
	version := false
	a.declare(f, &version)
	out := Command{Name: a.name, Usage: "Open Container Initiative runtime", About: about, Flags: f.known}
	for _, v := range a.verbs() {
		f := newFlags()
		if v.declare != nil {
			v.declare(f)
		}
		out.Verbs = append(out.Verbs, Command{Name: v.name, Usage: v.usage, Args: v.args, Flags: f.known})
	}
	return out
}

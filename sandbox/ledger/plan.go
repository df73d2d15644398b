package ledger

import "golang.org/x/sys/unix"

// planFile is the plan that a container ran with last, or was made with.
const planFile = "plan.json"

// KeepPlan writes down the plan that a container runs with.
func (l *Ledger) KeepPlan(id string, plan []byte) error {
	return l.edit(id, func(dir int) error { return replace(dir, planFile, plan) })
}

// Plan gives what KeepPlan has written; os.ErrNotExist when there is none.
func (l *Ledger) Plan(id string) ([]byte, error) {
	dir, err := l.openDir(id)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	return readFile(dir, planFile)
}

// Package event is what happens to containers, volumes and images, in one form
// for people and machines. The words are docker's (docker events).
package event

import "time"

// The types of what something happens to.
const (
	Container = "container"
	Volume    = "volume"
	Image     = "image"
)

// The actions.
const (
	Create  = "create"
	Start   = "start"
	Restart = "restart"
	Die     = "die" // the first process has ended; attribute exitCode
	OOM     = "oom"
	Kill    = "kill" // attribute signal
	Stop    = "stop"
	Pause   = "pause"
	Unpause = "unpause"
	Rename  = "rename" // attribute oldName
	Update  = "update"
	Destroy = "destroy"
	Attach  = "attach"
	Detach  = "detach"
	Health  = "health_status" // attribute health
	Copy    = "copy"
	Mount   = "mount"
	Unmount = "unmount"

	ExecCreate = "exec_create"
	ExecStart  = "exec_start"
	ExecDie    = "exec_die" // attribute exitCode
)

// Event is one thing that has happened.
type Event struct {
	Time   time.Time `json:"time"`
	Type   string    `json:"type"`
	Action string    `json:"action"`
	// ID is the container's, the volume's name, or the image's digest.
	ID string `json:"id"`
	// Attributes are name, image, profile, exitCode and the like; no values of
	// the environment, and no arguments.
	Attributes map[string]string `json:"attributes,omitempty"`
}

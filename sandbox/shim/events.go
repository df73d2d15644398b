package shim

import (
	"context"

	"github.com/containerd/containerd/api/events"
	containerdshim "github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/log"
)

// ending is the end of the shim; what is registered is done before it.
type ending interface {
	Shutdown()
	RegisterCallback(func(context.Context) error)
}

// tell is where events go; they arrive in the order that they are told in.
type tell func(event any)

// maxEvents is how many wait for containerd before who tells them waits too.
const maxEvents = 128

// newEvents sends on what it is told. The shim does not end before all is sent:
// that a task was deleted is told just before.
func newEvents(ctx context.Context, to containerdshim.Publisher, end ending) tell {
	queue, stop, sent := make(chan any, maxEvents), make(chan struct{}), make(chan struct{})
	ctx = context.WithoutCancel(ctx)
	publish := func(event any) {
		topic := topics(event)
		if t, own := event.(topical); own {
			event = t.event
		}
		if err := to.Publish(ctx, topic, event); err != nil {
			log.G(ctx).WithError(err).Error("event") // the library tries again by itself
		}
	}
	go func() {
		defer close(sent)
		for {
			select {
			case event := <-queue:
				publish(event)
				continue
			case <-stop:
			}
			for len(queue) > 0 {
				publish(<-queue)
			}
			to.Close()
			return
		}
	}()
	end.RegisterCallback(func(ctx context.Context) error {
		close(stop)
		select {
		case <-sent:
		case <-ctx.Done():
		}
		return nil
	})
	return func(event any) {
		if _, own := event.(topical); own && len(queue) > maxEvents/2 {
			return // nobody takes events: those of tasks come first
		}
		select {
		case queue <- event:
		case <-stop:
		}
	}
}

// topics are containerd's names for what its clients can ask to hear of.
func topics(event any) string {
	switch event := event.(type) {
	case topical:
		return event.topic
	case *events.TaskCreate:
		return "/tasks/create"
	case *events.TaskStart:
		return "/tasks/start"
	case *events.TaskOOM:
		return "/tasks/oom"
	case *events.TaskExit:
		return "/tasks/exit"
	case *events.TaskDelete:
		return "/tasks/delete"
	case *events.TaskExecAdded:
		return "/tasks/exec-added"
	case *events.TaskExecStarted:
		return "/tasks/exec-started"
	case *events.TaskPaused:
		return "/tasks/paused"
	case *events.TaskResumed:
		return "/tasks/resumed"
	}
	return "/tasks/?"
}

package shim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// topical is an event with its topic.
type topical struct {
	topic string
	event any
}

// topicOf is where subscribers of containerd's events find notices.
func topicOf(what string) string { return "/saferun/" + what }

// event is the notice as what it is in the words of gRPC, a status: permission was
// denied, in a line for people, with the details of it (google.rpc.ErrorInfo) for
// programs. Whoever speaks to containerd knows a status, also who has never heard
// of safe-run, such as ctr events, which shows nothing of a type that it does not
// know; and nobody takes it for a change of something of containerd's.
func (n notice) event() topical {
	line := n.ID
	if n.PodName != "" {
		line += " (" + n.PodNamespace + "/" + n.PodName + ", " + n.Container + ")"
	}
	line += ": " + n.Message
	if n.Hint != "" {
		line += "; " + n.Hint
	}
	return topical{topicOf(n.What), &status.Status{
		Code: int32(codes.PermissionDenied), Message: line,
		Details: []*anypb.Any{{TypeUrl: "type.googleapis.com/google.rpc.ErrorInfo", Value: n.errorInfo()}},
	}}
}

// errorInfo is google.rpc.ErrorInfo: reason, domain and metadata (error_details.proto
// of google.rpc), whose own package is not linked for three fields.
func (n notice) errorInfo() []byte {
	all := map[string]string{
		"id": n.ID, "message": n.Message, "time": n.Time.Format(time.RFC3339Nano), "hint": n.Hint, "container": n.Container, "pod": n.Pod,
		"podNamespace": n.PodNamespace, "podName": n.PodName, "podUID": n.PodUID, "profile": n.Profile,
	}
	if d := n.Denial; d != nil {
		all["control"], all["severity"] = d.Control, string(d.Severity)
		all["count"] = strconv.FormatUint(d.Count, 10)
	}
	text := func(to []byte, field protowire.Number, value string) []byte {
		return protowire.AppendString(protowire.AppendTag(to, field, protowire.BytesType), strings.ToValidUTF8(value, "\ufffd"))
	}
	out := text(text(nil, 1, strings.ToUpper(n.What)), 2, "safe-run.dev")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			out = protowire.AppendBytes(protowire.AppendTag(out, 3, protowire.BytesType), text(text(nil, 1, name), 2, all[name]))
		}
	}
	return out
}

package cli

import "github.com/spf13/cobra"

// verbs are all there are; each has a file of its own.
func (a *app) verbs() []*cobra.Command {
	return []*cobra.Command{a.auditVerb(), a.doctorVerb(), a.exportVerb(), a.convertVerb(), a.installVerb(), a.guardVerb(), a.verifyVerb(), a.guestVerb()}
}

package hrana

import "github.com/floedb/floe/internal/authtoken"

// withoutToken takes the auth token out of an error that a server or a proxy answered: some quote it.
func withoutToken(e *Error, token string) {
	if e != nil {
		e.Message, e.Code = authtoken.Redact(e.Message, token), authtoken.Redact(e.Code, token)
	}
}

// redact does so for the errors in a response.
func (r *Response) redact(token string) {
	if r == nil {
		return
	}
	if r.Batch != nil {
		for i := range r.Batch.Steps {
			withoutToken(r.Batch.Steps[i].Error, token)
		}
	}
	for i := range r.Entries {
		withoutToken(r.Entries[i].Error, token)
	}
}

package floe

import "errors"

func newReplicaConnector(t dsnTarget, cfg config) (*Connector, error) {
	return nil, errors.ErrUnsupported
}

package replicator

import "context"

// Primary asks the server where it is. It takes no lock, touches no file, and
// does not wait for a sync that is under way.
func (r *Replicator) Primary(ctx context.Context) (Position, error) {
	var p Position
	_, err := r.do(ctx, func(ctx context.Context) error {
		if r.client == nil {
			return ErrNoServer
		}
		h, err := r.client.greet(ctx, r.cfg.Retries, r.client.doubleRead(r.cfg.DoubleRead))
		p = Position{LogID: h.LogID, FrameNo: h.Current, HasFrame: h.HasCurrent}
		return err
	})
	return p, err
}

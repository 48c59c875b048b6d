package hrana

// What a server reads.

func (c protobufCodec) parsePipelineRequest(b []byte) (PipelineRequest, error) {
	var r PipelineRequest
	err := eachField(c.m, b, func(f field) error {
		switch f.num {
		case 1:
			return f.string(&r.Baton)
		case 2:
			if err := f.m.take(2*sizeOfRequest + sizeOfStmt); err != nil {
				return err
			}
			req, err := f.streamRequest()
			r.Requests = append(r.Requests, req)
			return err
		}
		return nil
	})
	return r, err
}

func (f field) streamRequest() (Request, error) {
	var r Request
	err := f.each(func(f field) error {
		kind, ok := streamKinds[f.num]
		if !ok {
			return nil
		}
		r = newRequest(kind)
		return f.each(func(f field) error { return f.requestField(&r, int(f.num)) })
	})
	if err == nil {
		err = r.check()
	}
	return r, err
}

// check refuses a request without what its kind has.
func (r *Request) check() error {
	switch {
	case r.Kind == 0:
		return unknown("request", "")
	case (r.Kind == ReqBatch || r.Kind == ReqOpenCursor) && r.Batch == nil:
		return missing("batch")
	case r.needsStmt() && r.Stmt == nil:
		return missing("statement")
	}
	return nil
}

func (r *Request) needsStmt() bool {
	switch r.Kind {
	case ReqExecute, ReqSequence, ReqDescribe, ReqStoreSQL, ReqCloseSQL:
		return true
	}
	return false
}

// newRequest is a request whose fields are all absent, which is what they are when they have their default values.
func newRequest(kind RequestKind) Request {
	r := Request{Kind: kind}
	if r.needsStmt() && kind != ReqExecute {
		r.Stmt = &Stmt{}
	}
	return r
}

// requestField reads a field of a request, n is its number over HTTP.
func (f field) requestField(r *Request, n int) (err error) {
	switch {
	case r.Kind == ReqExecute && n == 1:
		r.Stmt = &Stmt{}
		return f.stmt(r.Stmt)
	case r.Kind == ReqBatch && n == 1:
		r.Batch, err = f.batch()
	case (r.Kind == ReqSequence || r.Kind == ReqDescribe) && n == 3:
		return f.index(&r.Stmt.MinIndex)
	case r.Kind == ReqSequence || r.Kind == ReqDescribe:
		return f.sql(r.Stmt, n)
	case (r.Kind == ReqStoreSQL || r.Kind == ReqCloseSQL) && n == 1:
		return f.int32((*int32)(&r.Stmt.SQLID))
	case r.Kind == ReqStoreSQL && n == 2:
		return f.string(&r.Stmt.SQL)
	}
	return err
}

// sql reads the text of a statement, field 1, or its id, field 2.
func (f field) sql(s *Stmt, n int) error {
	switch n {
	case 1:
		return f.string(&s.SQL)
	case 2:
		s.Stored = true
		return f.int32((*int32)(&s.SQLID))
	}
	return nil
}

func (f field) stmt(s *Stmt) error {
	args, err := f.count(3)
	if err == nil {
		err = f.m.take(args * sizeOfValue)
	}
	if err != nil {
		return err
	}
	if args > 0 {
		s.Args = make([]Value, 0, args)
	}
	return f.each(func(f field) error {
		switch f.num {
		case 1, 2:
			return f.sql(s, int(f.num))
		case 3:
			v, err := f.sqlValue()
			s.Args = append(s.Args, v)
			return err
		case 4:
			if err := f.m.take(2 * sizeOfArg); err != nil {
				return err
			}
			a, err := f.namedArg()
			s.NamedArgs = append(s.NamedArgs, a)
			return err
		case 5:
			var wantRows bool
			err := f.bool(&wantRows)
			s.NoRows = !wantRows
			return err
		case 6:
			return f.index(&s.MinIndex)
		}
		return nil
	})
}

func (f field) namedArg() (NamedArg, error) {
	var a NamedArg
	err := f.each(func(f field) (err error) {
		switch f.num {
		case 1:
			return f.string(&a.Name)
		case 2:
			a.Value, err = f.sqlValue()
		}
		return err
	})
	return a, err
}

func (f field) batch() (*Batch, error) {
	b := &Batch{}
	err := f.each(func(f field) error {
		switch f.num {
		case 1:
			if err := f.m.take(2 * sizeOfStep); err != nil {
				return err
			}
			b.Steps = append(b.Steps, BatchStep{})
			return f.batchStep(&b.Steps[len(b.Steps)-1])
		case 2:
			return f.index(&b.MinIndex)
		}
		return nil
	})
	return b, err
}

func (f field) batchStep(s *BatchStep) error {
	return f.each(func(f field) error {
		switch f.num {
		case 1:
			s.Condition = &Cond{}
			return f.cond(s.Condition, 1)
		case 2:
			return f.stmt(&s.Stmt)
		}
		return nil
	})
}

// cond reads a condition that is depth deep in others.
func (f field) cond(c *Cond, depth int) error {
	if depth > maxCondDepth {
		return unknown("condition deeper than", maxCondDepth)
	}
	if err := f.m.take(2 * sizeOfCond); err != nil {
		return err
	}
	err := f.each(func(f field) error {
		switch kind := CondKind(f.num); {
		case f.num == 1 || f.num == 2:
			*c = Cond{Kind: kind}
			return f.uint32(&c.Step)
		case f.num == 3:
			*c = Cond{Kind: kind, Conds: make([]Cond, 1)}
			return f.cond(&c.Conds[0], depth+1)
		case f.num == 4 || f.num == 5:
			*c = Cond{Kind: kind}
			return f.condList(c, depth)
		case f.num == 6:
			*c = Cond{Kind: kind}
		}
		return nil
	})
	if err == nil && c.Kind == 0 {
		err = unknown("condition", "")
	}
	return err
}

func (f field) condList(c *Cond, depth int) error {
	return f.each(func(f field) error {
		if f.num != 1 {
			return nil
		}
		c.Conds = append(c.Conds, Cond{})
		return f.cond(&c.Conds[len(c.Conds)-1], depth+1)
	})
}

func (c protobufCodec) parseCursorRequest(b []byte) (CursorRequest, error) {
	var r CursorRequest
	err := eachField(c.m, b, func(f field) (err error) {
		switch f.num {
		case 1:
			return f.string(&r.Baton)
		case 2:
			r.Batch, err = f.batch()
		}
		return err
	})
	if err == nil && r.Batch == nil {
		err = missing("batch")
	}
	return r, err
}

func (c protobufCodec) parseClientMsg(b []byte) (ClientMsg, error) {
	var m ClientMsg
	err := eachField(c.m, b, func(f field) error {
		switch f.num {
		case 1:
			m = ClientMsg{Hello: true}
			return f.each(func(f field) error {
				if f.num != 1 {
					return nil
				}
				return f.string(&m.JWT)
			})
		case 2:
			m = ClientMsg{Request: &Request{}}
			return f.each(m.requestField)
		}
		return nil
	})
	switch {
	case err != nil || m.Hello:
	case m.Request == nil:
		err = unknown("client message", "")
	default:
		err = m.Request.check()
	}
	return m, err
}

func (m *ClientMsg) requestField(f field) error {
	if f.num == 1 {
		return f.int32(&m.ID)
	}
	kind, ok := socketKind(f.num)
	if !ok {
		return nil
	}
	r := m.Request
	*r = newRequest(kind)
	return f.each(func(f field) error { return f.socketRequestField(r) })
}

func (f field) socketRequestField(r *Request) (err error) {
	switch r.Kind {
	case ReqStoreSQL, ReqCloseSQL:
		return f.requestField(r, int(f.num))
	case ReqCloseCursor, ReqFetchCursor:
		switch f.num {
		case 1:
			return f.int32(&r.CursorID)
		case 2:
			return f.uint32(&r.MaxCount)
		}
		return nil
	}
	switch {
	case f.num == 1:
		return f.int32(&r.StreamID)
	case r.Kind != ReqOpenCursor:
		return f.requestField(r, int(f.num)-1)
	case f.num == 2:
		return f.int32(&r.CursorID)
	case f.num == 3:
		r.Batch, err = f.batch()
	}
	return err
}

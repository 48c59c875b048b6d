// Package schema is what the code of package library is generated from.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Author has books.
type Author struct{ ent.Schema }

// Fields are the columns.
func (Author) Fields() []ent.Field {
	return []ent.Field{
		field.String("name").Unique().NotEmpty(),
		field.Time("born").Optional().Nillable(),
		field.Time("created").Default(time.Now).Immutable(),
		field.Bool("living").Default(false),
		field.Enum("kind").Values("novelist", "poet").Default("novelist"),
	}
}

// Edges are the relations.
func (Author) Edges() []ent.Edge { return []ent.Edge{edge.To("books", Book.Type)} }

// Book has an author.
type Book struct{ ent.Schema }

// Fields are the columns.
func (Book) Fields() []ent.Field {
	return []ent.Field{
		field.Int("author_id"),
		field.String("title"),
		field.String("subtitle").Optional().Nillable(),
		field.Bytes("cover").Optional(),
		field.Int64("sold").Default(0),
		field.Float("price").Optional(),
		field.JSON("tags", []string{}).Optional(),
	}
}

// Edges are the relations.
func (Book) Edges() []ent.Edge {
	return []ent.Edge{edge.From("author", Author.Type).Ref("books").Field("author_id").Unique().Required()}
}

// Indexes are those of more than one column.
func (Book) Indexes() []ent.Index { return []ent.Index{index.Fields("author_id", "title").Unique()} }

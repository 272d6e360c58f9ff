//! Decodes PostgreSQL's rows.

crate::store::sql::row_readers!(sqlx::postgres::PgRow);

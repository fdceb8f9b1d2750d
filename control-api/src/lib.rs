//! REST, Socket.IO, webhooks and every line of SQL

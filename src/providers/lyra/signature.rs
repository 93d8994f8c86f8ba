//! REST requests are not signed (Basic authentication only). What is signed are notifications, which come in a
//! later stage; their check belongs here.

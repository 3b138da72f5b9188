export default defineEventHandler((event) => currentUser(event))

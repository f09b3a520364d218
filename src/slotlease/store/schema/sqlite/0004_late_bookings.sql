-- A service that admits late bookings: its slots are booked until so long before their end (services feed,
-- rules.min_booking_buffer_before_end_time). NULL: until they start, as before.

ALTER TABLE service ADD COLUMN min_booking_buffer_before_end_time_s INTEGER
    CHECK (min_booking_buffer_before_end_time_s >= 0);
